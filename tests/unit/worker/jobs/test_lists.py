"""A list of jobs asks a store that is far away for several at once, and answers in their order."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fakeredis import FakeRedis
from obstore.store import MemoryStore

from tests.unit.worker.store.contract.test_jobs import add
from worker.jobs.asked import Asked
from worker.jobs.backlog import Backlog
from worker.jobs.expiry import Expiry
from worker.jobs.job_service import JobService
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.store.objects.bucket import Bucket
from worker.store.objects.object_store import ObjectStore
from worker.store.records import OUTCOME, Outcome

AT_ONCE = 4


@pytest.mark.fault(105)
def test_the_jobs_of_a_list_are_read_at_once_and_stand_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, redis = ObjectStore(Bucket(MemoryStore()), tmp_path), FakeRedis()
    queue = JobQueue(redis)
    backlog = Backlog(store, queue, max_jobs=100, max_hours=100)
    service = JobService(store, queue, Events(redis), backlog, Expiry(store))
    jobs = [add(store).id for _ in range(3 * AT_ONCE)]
    for job_id in jobs:
        store.finish(job_id, Outcome("finished"))
    together, get = threading.Barrier(AT_ONCE), store.bucket.get

    def meet(key: str) -> object:
        if key.endswith(OUTCOME.name):
            together.wait(10)
        return get(key)

    monkeypatch.setattr(store.bucket, "get", meet)
    owner = store.request(jobs[0]).owner
    page, has_more = service.views(owner, 2 * AT_ONCE - 1, Asked())
    assert [view["id"] for view in page] == sorted(jobs, reverse=True)[: 2 * AT_ONCE - 1]
    assert has_more
