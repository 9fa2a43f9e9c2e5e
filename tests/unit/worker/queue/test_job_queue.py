"""Only ids travel through RQ; what it knows of a job can be listed, found out and forgotten whole."""

from __future__ import annotations

import json
import time
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from fakeredis import FakeRedis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from tests.unit.factories import make_request
from worker.queue.gate import Gate
from worker.queue.job_queue import QUEUES, JobQueue
from worker.queue.queued_job import JOB_FUNCTION, QueuedJob
from worker.queue.run_end import Postponed
from worker.queue.slot import Slot
from worker.runtime.timing import Timing
from worker.store.records import JobRequest, new_job_id


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis()


@pytest.fixture
def queue(redis: FakeRedis) -> JobQueue:
    return JobQueue(redis)


def add(queue: JobQueue, **changes: Any) -> JobRequest:
    request = make_request(new_job_id(), **changes)
    queue.enqueue(request)
    return request


def record(redis: FakeRedis, request: JobRequest) -> Job:
    return Job.fetch(request.id, connection=redis, serializer=JSONSerializer)


def traces(redis: FakeRedis, request: JobRequest) -> list[Any]:
    """Every key that names the job, and every list and sorted set that holds it."""
    named: list[Any] = list(redis.scan_iter(f"*{request.id}*"))
    holders: list[Any] = [key for key in redis.scan_iter(_type="list") if held(redis.lrange(key, 0, -1), request)]
    holders += [key for key in redis.scan_iter(_type="zset") if held(redis.zrange(key, 0, -1), request)]
    return named + holders


def held(members: Any, request: JobRequest) -> bool:
    return any(request.id.encode() in member for member in members)


def put_aside(redis: FakeRedis, queue: JobQueue, due_at: float) -> JobRequest:
    """A job that a slot took and put aside. due_at: unix seconds."""
    request = add(queue)
    work = SimpleNamespace(run=lambda *_: Postponed("server_error: it passes", due_at), after=lambda _: None)
    slot = Slot("batch", redis, work, Gate())
    job = slot.take()
    assert job is not None
    slot.run(job)
    return request


@pytest.mark.fault(111)
def test_a_job_put_aside_holds_no_slot_and_is_given_out_once_when_it_is_due(redis: FakeRedis, queue: JobQueue) -> None:
    request = put_aside(redis, queue, due_at=1000.5)
    assert record(redis, request).get_status() == "scheduled"
    assert (queue.live_ids(), queue.leases.ids(), queue.is_put_aside(request.id)) == ({request.id}, set(), True)
    assert queue.take_due(1000.6) == [], "RQ counts whole seconds, and none is given out before its time"
    assert queue.take_due(1001.0) == [request.id]
    assert queue.take_due(1001.0) == []
    assert not queue.is_put_aside(request.id)


def test_a_job_that_is_canceled_or_deleted_while_put_aside_is_not_tried_again(
    redis: FakeRedis, queue: JobQueue
) -> None:
    request = put_aside(redis, queue, due_at=time.time() + 60)
    queue.withdraw(request)
    assert record(redis, request).get_status() == "canceled"
    assert (queue.live_ids(), queue.is_put_aside(request.id)) == (set(), False)
    request = put_aside(redis, queue, due_at=time.time() + 60)
    queue.forget(request.id)
    assert traces(redis, request) == []


def test_a_job_in_the_queue_is_its_id_and_our_one_function(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue)
    raw: Any = redis.hget(f"rq:job:{request.id}", "data")
    assert json.loads(zlib.decompress(raw)) == [JOB_FUNCTION, None, [request.id], {}]
    job = record(redis, request)
    assert (job.origin, job.timeout, job.retries_left) == ("batch", -1, None)
    assert job.failure_ttl
    assert job.result_ttl


def test_each_priority_has_its_queue(queue: JobQueue) -> None:
    add(queue, priority="interactive")
    add(queue)
    add(queue)
    assert [queue.length(name) for name in QUEUES] == [1, 2, 0, 0]


def test_a_position_counts_the_jobs_before_it_in_its_queue(queue: JobQueue) -> None:
    first, second, other = add(queue), add(queue), add(queue, priority="interactive")
    assert [queue.position(request) for request in (first, second, other)] == [0, 1, 0]
    assert queue.position(make_request(new_job_id())) is None


@pytest.mark.fault(130)
def test_a_waiting_job_that_is_withdrawn_is_listed_as_canceled(redis: FakeRedis, queue: JobQueue) -> None:
    kept, gone = add(queue), add(queue)
    queue.withdraw(gone)
    assert record(redis, gone).get_status() == "canceled"
    assert redis.zrange("rq:canceled:batch", 0, -1) == [gone.id.encode()]
    assert queue.live_ids() == {kept.id}
    queue.forget(gone.id)
    assert traces(redis, gone) == []


@pytest.mark.parametrize("registry", ["failed", "canceled", "finished"])
def test_a_job_that_is_queued_again_has_not_ended(redis: FakeRedis, queue: JobQueue, registry: str) -> None:
    request = add(queue)
    queue.withdraw(request)
    redis.zadd(f"rq:{registry}:batch", {request.id: 4e9})
    redis.xadd(f"rq:results:{request.id}", {"type": "2"})
    queue.enqueue(request)
    assert len(traces(redis, request)) == 2, "its record, and its place in the queue"
    assert redis.ttl(f"rq:job:{request.id}") == -1
    assert record(redis, request).ended_at is None


def test_a_jobs_record_says_what_it_is_and_no_file_name(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue, declared_seconds=93.0, filename="secret.m4a")
    meta = {"model": "base", "attempts": 0, "progress": 0.0, "processed_seconds": 0.0, "total_seconds": 93.0}
    assert record(redis, request).get_meta() == meta
    named = add(JobQueue(redis, shows_names=True), declared_seconds=93.0, filename="secret.m4a")
    assert record(redis, named).get_meta() == {**meta, "file": "secret.m4a"}
    queue.describe(request.id, {"progress": 0.5})
    assert record(redis, request).get_meta() == {**meta, "progress": 0.5}


def test_a_job_that_does_not_wait_is_not_withdrawn(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue)
    redis.lpop("rq:queue:batch")  # as a slot would
    queue.withdraw(request)
    assert record(redis, request).id == request.id


def test_forgetting_leaves_nothing_and_may_be_done_twice(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue)
    redis.xadd(f"rq:results:{request.id}", {"type": "1"})
    queue.forget(request.id)
    queue.forget(request.id)
    assert traces(redis, request) == []


def test_a_job_that_its_slot_forgets_this_moment_too(
    redis: FakeRedis, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, remove = add(queue), Queue.remove

    def outrun(self: Queue, job: Job, **options: Any) -> Any:
        redis.delete(job.key)
        return remove(self, job, **options)

    monkeypatch.setattr(Queue, "remove", outrun)  # RQ asks for the status right after
    queue.forget(request.id)
    assert traces(redis, request) == []


def test_a_job_is_live_while_it_waits_is_taken_or_runs(redis: FakeRedis, queue: JobQueue) -> None:
    waiting, taken, running = add(queue), add(queue), add(queue)
    redis.lrem("rq:queue:batch", 1, taken.id)
    redis.rpush("rq:queue:batch:intermediate", taken.id)
    redis.lrem("rq:queue:batch", 1, running.id)
    redis.zadd("rq:wip:batch", {f"{running.id}:execution": 4e9})
    assert queue.live_ids() == {waiting.id, taken.id, running.id}


def test_an_ended_job_is_not_live(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue)
    redis.lrem("rq:queue:batch", 1, request.id)
    assert queue.live_ids() == set()


def test_enqueued_again_a_job_starts_afresh(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue)
    redis.lrem("rq:queue:batch", 1, request.id)
    redis.hset(f"rq:job:{request.id}", mapping={"status": "failed"})
    queue.enqueue(request)
    assert queue.position(request) == 0
    assert record(redis, request).get_status() == "queued"


def abandon(redis: FakeRedis, request: JobRequest, **fields: Any) -> None:
    """Leaves the job as a worker does that was killed a while ago."""
    redis.lrem("rq:queue:batch", 1, request.id)
    values: dict[Any, Any] = {"status": "started", **fields}
    redis.hset(f"rq:job:{request.id}", mapping=values)
    redis.zadd("rq:wip:batch", {f"{request.id}:execution": 1.0})


def recover(queue: JobQueue) -> None:
    """Looks twice, as far apart as an expired lease needs to be believed."""
    queue.recover_abandoned(100.0)
    queue.recover_abandoned(100.0 + Timing().confirm)


def test_an_abandoned_job_goes_back_to_the_head_of_its_queue(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue)
    abandon(redis, request)
    add(queue)
    recover(queue)
    assert queue.position(request) == 0
    assert record(redis, request).get_status() == "queued"
    assert redis.zcard("rq:wip:batch") == 0


def test_a_job_under_a_lease_is_left_alone(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue)
    abandon(redis, request)
    redis.zadd("rq:wip:batch", {f"{request.id}:execution": 4e9})
    queue.recover_abandoned(0.0)
    assert queue.position(request) is None
    assert queue.live_ids() == {request.id}


def strand(redis: FakeRedis) -> None:
    """Takes the next job as a slot does, and goes no further."""
    redis.lmove("rq:queue:batch", "rq:queue:batch:intermediate")


def test_a_job_its_slot_never_began_goes_back_to_the_head_of_its_queue(redis: FakeRedis, queue: JobQueue) -> None:
    stranded, next_one = add(queue), add(queue)
    strand(redis)
    queue.recover_abandoned(100.0)
    queue.recover_abandoned(100.0 + Timing().stranded - 1)
    assert queue.position(stranded) is None, "a living slot may be about to begin it"
    queue.recover_abandoned(100.0 + Timing().stranded + 1)
    assert (queue.position(stranded), queue.position(next_one)) == (0, 1)
    assert redis.llen("rq:queue:batch:intermediate") == 0


def test_a_job_that_began_meanwhile_is_not_put_back(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue)
    strand(redis)
    queue.recover_abandoned(100.0)
    redis.zadd("rq:wip:batch", {f"{request.id}:execution": 4e9})
    queue.recover_abandoned(200.0)
    assert queue.position(request) is None
    assert queue.live_ids() == {request.id}


def test_the_wait_of_a_job_that_was_taken_twice_begins_anew(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue)
    strand(redis)
    queue.recover_abandoned(100.0)
    redis.lmove("rq:queue:batch:intermediate", "rq:queue:batch")
    queue.recover_abandoned(110.0)
    strand(redis)
    queue.recover_abandoned(120.0)
    assert queue.position(request) is None


def test_what_is_left_of_a_deleted_job_is_removed(redis: FakeRedis, queue: JobQueue) -> None:
    request = add(queue)
    strand(redis)
    queue.recover_abandoned(100.0)
    queue.forget(request.id)
    queue.recover_abandoned(200.0)
    assert traces(redis, request) == []


HOOKS = ("success", "failure", "stopped")


@pytest.mark.parametrize("hook", HOOKS)
def test_a_record_cannot_name_code_of_its_own(redis: FakeRedis, queue: JobQueue, hook: str) -> None:
    request = add(queue)
    redis.hset(f"rq:job:{request.id}", f"{hook}_callback_name", "no_such_module.run")
    job = QueuedJob.fetch(request.id, connection=redis, serializer=JSONSerializer)
    assert getattr(job, f"{hook}_callback") is None


def test_cleaning_up_runs_no_hook(redis: FakeRedis, queue: JobQueue, caplog: pytest.LogCaptureFixture) -> None:
    request = add(queue)
    abandon(redis, request, failure_callback_name="no_such_module.run")
    recover(queue)
    assert "no_such_module" not in caplog.text
    assert queue.position(request) == 0
