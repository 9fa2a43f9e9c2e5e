"""One worker a device: a lock on this machine, wherever the data directory is. It ends with its holder."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)


@contextmanager
def device_lock(data_dir: Path, device: str) -> Iterator[None]:
    """Waits until no other worker of this data directory has the device: two models on one would take its memory from
    each other. device: as in the settings."""
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    lock = FileLock(_directory(data_dir) / f"{name}.{re.sub(r'[^a-z0-9]', '-', device.lower())}.lock")
    while True:
        try:
            with lock.acquire(timeout=1.0):
                yield
                return
        except Timeout:
            log.info("Another worker on this machine still holds the device %s: waiting for its end", device)


def _directory(data_dir: Path) -> Path:
    """This user's own, gone with the machine's next start: `data_dir` may be another machine's too. That all the same,
    if somebody else has made it, or it cannot be made."""
    owner = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    directory = Path(tempfile.gettempdir()) / f"whisper-native-{owner}"
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError:
        return data_dir
    is_ours = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return directory if is_ours and stat.S_ISDIR(found.st_mode) else data_dir
