"""What is refused leaves nothing; and if it is not known whether it does, the client's next try finds it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from obstore.store import MemoryStore

from tests.unit.factories import make_request
from worker.jobs.backlog import Backlog
from worker.jobs.expiry import Expiry
from worker.jobs.job_service import JobService
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.store.errors import StoreUnavailable
from worker.store.idempotency import Claimed
from worker.store.objects.bucket import Bucket
from worker.store.objects.object_store import ObjectStore


@pytest.mark.parametrize("has_come", [True, False])
def test_a_key_stands_for_a_job_that_came_though_the_store_went_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_come: bool
) -> None:
    """Or the client, who was refused, would get a second one."""
    bucket = Bucket(MemoryStore())
    store = ObjectStore(bucket, tmp_path)
    queue = JobQueue(FakeRedis())
    backlog = Backlog(store, queue, max_jobs=10, max_hours=10)
    service = JobService(store, queue, Events(FakeRedis()), backlog, Expiry(store))
    upload, claim = store.receive(), store.claims.hold("key", "anna", "k1")
    upload.write(b"sound")
    put = bucket.put

    def lost(key: str, data: bytes) -> None:
        if has_come:
            put(key, data)
        raise StoreUnavailable(errno.EIO, "away")

    def refused(keys: Any) -> None:
        raise StoreUnavailable(errno.EIO, "away")

    with monkeypatch.context() as away:
        away.setattr(bucket, "put", lost)
        away.setattr(bucket, "delete", refused)
        with pytest.raises(StoreUnavailable):
            service.submit_claimed(upload, make_request(upload.id), claim, "mark")
    claim.release()
    assert store.has(upload.id) == has_come
    assert store.claims.read("key", "anna", "k1") == (Claimed(upload.id, "mark") if has_come else None)
