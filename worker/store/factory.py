"""The store that the settings name: the one place where one is made."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from worker.store.errors import StoreAway, StoreUnfit
from worker.store.job_store import JobStore, LocalStore
from worker.store.store_id import store_id

if TYPE_CHECKING:
    from worker.store.objects.bucket import Bucket

OF_THIS_MACHINE = "shared"  # a folder of the data directory: what a machine keeps of a shared store for itself


class StoreSettings(Protocol):
    """The part of the settings that says where jobs are kept."""

    @property
    def data_dir(self) -> Path: ...

    @property
    def store(self) -> str: ...

    @property
    def store_config(self) -> dict[str, str]: ...


def open_store(settings: StoreSettings) -> JobStore:
    """For any process of the service. Raises StoreUnfit, or OSError for a data directory."""
    if not settings.store:
        return LocalStore(settings.data_dir)
    bucket = _bucket(settings)
    from worker.store.objects.object_store import ObjectStore

    try:
        return ObjectStore(bucket, settings.data_dir / OF_THIS_MACHINE)
    except OSError as error:
        raise _away(settings, error) from error


def identity(settings: StoreSettings) -> str:
    """Which store it is, wherever it is reached from. Raises as `open_store` does."""
    if not settings.store:
        return store_id(settings.data_dir)
    bucket = _bucket(settings)
    from worker.store.objects.bucket import check
    from worker.store.objects.bucket import store_id as id_of

    try:
        check(bucket)
        return id_of(bucket)
    except OSError as error:
        raise _away(settings, error) from error


def place(settings: StoreSettings) -> str:
    """Where it is, for people."""
    return settings.store or place_of(settings.data_dir)


def place_of(data_dir: Path) -> str:
    """Where a data directory lies, for people: a name on disk may be no text."""
    return f"{os.fsencode(data_dir.resolve()).decode(errors='replace')} on {socket.gethostname()}"


def _bucket(settings: StoreSettings) -> Bucket:
    return bucket_at(settings.store, settings.store_config)


def bucket_at(url: str, config: Mapping[str, str]) -> Bucket:
    """Raises StoreUnfit."""
    try:
        from worker.store.objects.bucket import Bucket
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        message = "WHISPER_STORE needs the client of object stores, which is not installed. Run: make engine EXTRA=s3"
        raise StoreUnfit(message) from error
    if "endpoint" in config and not {"access_key_id", "secret_access_key"} <= config.keys():  # it is none of Amazon's
        raise StoreUnfit("WHISPER_STORE needs the store's keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    return Bucket.at(url, **config)


def _away(settings: StoreSettings, error: OSError) -> StoreAway:
    return StoreAway(
        f"{error.strerror or error}. Check that {settings.store} (WHISPER_STORE) is there and can be reached from this "
        "machine (AWS_ENDPOINT_URL), and that the keys may read and write it (AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY, AWS_REGION)."
    )
