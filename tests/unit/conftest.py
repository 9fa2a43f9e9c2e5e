"""What unit tests go without."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def no_sync() -> Iterator[None]:
    """They wait for no disk: what a loss of power leaves behind is tested in tests/faults."""
    sync = os.fsync
    os.fsync = lambda fd: None
    yield
    os.fsync = sync
