"""Services in unusual places, for the tests that break things on purpose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.live import LiveService
from tests.faults.small_disk import mounted

SMALL_DISK = 48 * 1024 * 1024  # bytes


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A service whose data directory is a file system of 48 MB; it refuses what would leave less than 8."""
    directory = tmp_path_factory.mktemp("small_disk")
    service = LiveService(directory, {"WHISPER_ENGINE": "fake", "WHISPER_MIN_FREE_DISK_MB": "8"})
    with mounted(service.data, SMALL_DISK):
        try:
            service.start()
            yield service
        finally:
            service.stop()
