"""What waits is known again after a restart: read side by side if the store is far away, and in nobody's way."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from fakeredis import FakeRedis

from tests.unit.factories import DEADLINE, make_request
from worker.jobs.backlog import READERS, Backlog, QueueFull
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.records import JobRequest, new_job_id

ROUNDS = 2


class FarStore(SimpleNamespace):
    """Of jobs of an hour each."""

    is_shared = True

    def request(self, job_id: str) -> JobRequest:
        return make_request(job_id, owner="a", declared_seconds=3600.0)


def backlog_of(store: Any, waiting: int) -> tuple[Backlog, JobQueue]:
    queue = JobQueue(FakeRedis())
    for _ in range(waiting):
        queue.enqueue(make_request(new_job_id()))
    return Backlog(store, queue, max_jobs=100, max_hours=50, timing=Timing(backlog=1e-6), is_shared=True), queue


def test_after_a_restart_the_jobs_are_read_many_at_once() -> None:
    """Each round ends once as many are being read as there are readers."""
    rounds = 0

    def count() -> None:
        nonlocal rounds
        rounds += 1

    together = threading.Barrier(READERS, count)

    class Store(FarStore):
        def request(self, job_id: str) -> JobRequest:
            together.wait(DEADLINE)
            return super().request(job_id)

    backlog, _ = backlog_of(Store(), ROUNDS * READERS)
    with pytest.raises(QueueFull, match=r"32\.0 hours of your audio"):
        backlog.admit(make_request(new_job_id(), owner="a", declared_seconds=3600.0))
    assert rounds == ROUNDS


def test_a_look_at_the_store_holds_up_nobody_who_submits() -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Store(FarStore):
        def request(self, job_id: str) -> JobRequest:
            asked.set()
            assert go_on.wait(DEADLINE)
            return super().request(job_id)

    backlog, queue = backlog_of(Store(), 0)
    backlog.admit(make_request(new_job_id(), owner="b"))
    queue.enqueue(make_request(new_job_id()))  # by another machine
    looking = threading.Thread(target=backlog.check, args=("batch", "b", 1, 1), daemon=True)
    looking.start()
    try:
        assert asked.wait(DEADLINE)
        mine = make_request(new_job_id(), owner="b", declared_seconds=60.0)
        submitting = threading.Thread(target=backlog.admit, args=(mine,), daemon=True)
        submitting.start()
        submitting.join(DEADLINE)
        assert not submitting.is_alive()
    finally:
        go_on.set()
    looking.join(DEADLINE)
    queue.enqueue(mine)
    ids = queue.waiting_ids("batch")
    assert backlog.audio_seconds("batch", ids) == 3660.0


def test_a_job_that_comes_during_a_look_is_counted() -> None:
    class Store(FarStore):
        def request(self, job_id: str) -> JobRequest:
            backlog.admit(make_request(new_job_id(), owner="b", declared_seconds=49 * 3600.0))
            return super().request(job_id)

    backlog, queue = backlog_of(Store(), 0)
    backlog.check("batch", "b", 1, 1)
    queue.enqueue(make_request(new_job_id()))  # by another machine
    with pytest.raises(QueueFull, match=r"50\.0 hours of audio wait"):
        backlog.check("batch", "c", 1, 1)
