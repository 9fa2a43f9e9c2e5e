"""Services in unusual places, for the tests that break things on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.live import LiveService

SMALL_DISK = 48 * 1024 * 1024  # bytes


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A service whose data directory is a file system of 48 MB; it refuses what would leave less than 8."""
    directory = tmp_path_factory.mktemp("small_disk")
    service = LiveService(directory, {"WHISPER_ENGINE": "fake", "WHISPER_MIN_FREE_DISK_MB": "8"})
    with _mounted(service.data):
        try:
            service.start()
            yield service
        finally:
            service.stop()


class _mounted:  # noqa: N801 - used like a function
    """A tmpfs while the block lasts; skips the test where none can be mounted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._path.mkdir()
        if sys.platform != "linux" or os.geteuid():
            pytest.skip("only root on Linux can mount a small file system")
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(self._path)]
        tried = subprocess.run(mount, capture_output=True, text=True, check=False)
        if tried.returncode:
            pytest.skip(f"no small file system can be mounted here: {tried.stderr.strip()}")

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self._path)], check=True)
