"""Which start of the machine this is."""

from __future__ import annotations

import time
from pathlib import Path

STEP = 10.0  # seconds; clocks drift less than that between two processes' starts


def boot() -> str:
    """Another text after each start of the machine; outside of Linux now and then after a sleep, too."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{(time.time() - time.monotonic()) // STEP:.0f}"
