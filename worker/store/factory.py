"""The store that the settings name: the one place where one is made."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from worker.store.job_store import JobStore, LocalStore


class StoreSettings(Protocol):
    """The part of the settings that says where jobs are kept."""

    @property
    def data_dir(self) -> Path: ...


def open_store(settings: StoreSettings) -> JobStore:
    """For any process of the service. Raises OSError."""
    return LocalStore(settings.data_dir)
