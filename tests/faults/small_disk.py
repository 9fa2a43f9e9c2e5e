"""A small file system of its own, to be filled up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(path: Path, size: int) -> Iterator[None]:
    """A tmpfs of `size` bytes at a new `path` while the block lasts; skips the test where none can be mounted."""
    path.mkdir()
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root on Linux can mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    tried = subprocess.run(mount, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no small file system can be mounted here: {tried.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
