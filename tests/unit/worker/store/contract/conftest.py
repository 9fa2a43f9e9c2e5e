"""One store after the other: what holds for one holds for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from tests.seaweedfs import SeaweedFS, running
from worker.store.job_store import JobStore, LocalStore
from worker.store.objects.bucket import Bucket
from worker.store.objects.object_store import ObjectStore

Open = Callable[[], JobStore]
# In memory is the same code with the same conditions as over HTTP. SeaweedFS is slow: 48 MB are fetched for it, and it
# takes some 10 s to start.
STORES = ["directory", "objects", pytest.param("seaweedfs", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with running(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(params=STORES)
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the store once more, as a process on another machine does."""
    if request.param == "directory":
        yield lambda: LocalStore(tmp_path / "data")
        return
    if request.param == "seaweedfs":
        server: SeaweedFS = request.getfixturevalue("seaweedfs")
        bucket = server.bucket(server.new_place())
    else:
        bucket = Bucket(MemoryStore())
    machines = iter(range(1000))
    yield lambda: ObjectStore(bucket, tmp_path / f"machine{next(machines)}")


@pytest.fixture
def store(open_again: Open) -> JobStore:
    return open_again()
