"""`rq info` and the dashboard, which read RQ's records of workers, see each slot, what it does and what it has done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from fakeredis import FakeRedis
from rq import Queue
from rq.job import JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend
from rq.worker import BaseWorker, Worker

from tests.unit.factories import DEADLINE, make_request
from worker.queue.gate import Gate
from worker.queue.job_queue import JobQueue, QueueName
from worker.queue.queued_job import RECORD_TTL, QueuedJob
from worker.queue.run_end import Canceled, End, Failed, Finished, Postponed, Skipped
from worker.queue.slot import Slot
from worker.store.records import new_job_id


class Work:
    """Ends every job as it is told to; `look` is called while the job runs."""

    def __init__(self, end: End, look: Callable[[], None] = lambda: None) -> None:
        self.running = self
        self._end = end
        self._look = look

    def run(self, job_id: str, queue: QueueName) -> End:
        self._look()
        return self._end

    def after(self, job_id: str) -> None: ...
    def lose(self, job_id: str) -> None: ...
    def hand_back_others(self, job_id: str) -> None: ...
    def end_alone(self) -> None: ...


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis()


def add(redis: FakeRedis) -> str:
    request = make_request(new_job_id())
    JobQueue(redis).enqueue(request)
    return request.id


def listed(redis: FakeRedis) -> BaseWorker:
    (found,) = Worker.all(connection=redis, serializer=JSONSerializer)
    return found


def run_next(slot: Slot) -> None:
    job = slot.take()
    assert job is not None
    slot.run(job)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_slot_is_listed_while_it_serves_and_no_longer(redis: FakeRedis) -> None:
    slot = Slot("batch", redis, Work(Finished()), Gate())
    thread = threading.Thread(target=slot.serve)
    thread.start()
    until(lambda: bool(redis.scard("rq:workers")))
    worker = listed(redis)
    assert (worker.queue_names(), worker.get_state()) == (["batch"], "idle")
    assert worker.name.startswith("batch.")
    assert worker.birth_date is not None
    slot.stop()
    add(redis)  # wakes it
    thread.join(DEADLINE)
    assert Worker.all(connection=redis) == []
    assert redis.scard("rq:workers:batch") == 0


def test_a_slot_waits_while_the_workers_are_suspended(redis: FakeRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.queue.slot.RETRY_AFTER", 0.02)
    suspend(redis)
    job_id = add(redis)
    slot = Slot("batch", redis, Work(Finished()), Gate())
    thread = threading.Thread(target=slot.serve)
    thread.start()
    until(lambda: bool(redis.scard("rq:workers")) and listed(redis).get_state() == "suspended")
    assert JobQueue(redis).live_ids() == {job_id}
    resume(redis)
    until(lambda: JobQueue(redis).live_ids() == set())
    slot.stop()
    add(redis)
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_a_busy_slot_is_listed_with_its_job(redis: FakeRedis) -> None:
    seen: list[tuple[str, str | None]] = []

    def look() -> None:
        slot.beat()
        seen.append((listed(redis).get_state(), listed(redis).get_current_job_id()))

    job_id = add(redis)
    slot = Slot("batch", redis, Work(Finished(), look), Gate())
    run_next(slot)
    assert seen == [("busy", job_id)]
    assert listed(redis).get_current_job_id() is None


def test_a_slot_is_listed_again_in_an_emptied_redis(redis: FakeRedis) -> None:
    def look() -> None:
        redis.flushall()
        slot.beat()
        assert listed(redis).get_state() == "busy"

    add(redis)
    slot = Slot("batch", redis, Work(Finished(), look), Gate())
    run_next(slot)


@pytest.mark.fault(132)
def test_an_idle_slot_is_listed_as_long_as_its_process_beats(redis: FakeRedis) -> None:
    slot = Slot("batch", redis, Work(Finished()), Gate())
    slot.beat()
    assert listed(redis).get_state() == "idle"
    assert 0 < redis.ttl(listed(redis).key) < 60, "gone within a minute if nothing more is heard of it"


def test_a_slot_that_is_left_is_listed_no_more(redis: FakeRedis) -> None:
    slot = Slot("batch", redis, Work(Finished()), Gate())
    slot.beat()
    slot.give_back()
    slot.beat()
    assert Worker.all(connection=redis) == []


@pytest.mark.fault(132)
def test_the_slots_of_a_dead_process_are_taken_off_the_list(redis: FakeRedis) -> None:
    alive, dead = (Slot("batch", redis, Work(Finished()), Gate()) for _ in range(2))
    alive.beat()
    kept = listed(redis).name
    dead.beat()
    queue = JobQueue(redis, is_dead=lambda slot: slot != kept)
    queue.recover_abandoned(time.monotonic())
    assert listed(redis).name == kept
    assert redis.scard("rq:workers:batch") == 1


@pytest.mark.fault(130)
def test_a_canceled_job_is_listed_as_canceled_until_its_record_expires(redis: FakeRedis) -> None:
    job_id = add(redis)
    run_next(Slot("batch", redis, Work(Canceled()), Gate()))
    job = QueuedJob.fetch(job_id, connection=redis, serializer=JSONSerializer)
    assert (job.get_status(), job.latest_result(), job.ended_at is None) == (JobStatus.CANCELED, None, False)
    assert redis.zscore("rq:canceled:batch", job_id) == pytest.approx(time.time() + RECORD_TTL, abs=60)
    assert redis.exists("rq:failed:batch") == 0
    for key in redis.scan_iter(f"*{job_id}*"):
        assert 0 < redis.ttl(key) <= RECORD_TTL, key
    redis.zadd("rq:canceled:batch", {job_id: time.time() - 1})
    JobQueue(redis).recover_abandoned(time.monotonic())
    assert redis.exists("rq:canceled:batch") == 0


def test_what_a_slot_has_done_is_counted(redis: FakeRedis) -> None:
    for end in (Finished(), Failed("empty_audio"), Finished()):
        add(redis)
        run_next(Slot("batch", redis, Work(end), Gate()))
    workers = Worker.all(connection=redis, serializer=JSONSerializer)
    assert sorted((one.successful_job_count, one.failed_job_count) for one in workers) == [(0, 1), (1, 0), (1, 0)]
    assert all(one.total_working_time > 0 for one in workers)


@pytest.mark.parametrize(
    ("end", "status", "kind", "registry"),
    [
        (Skipped("canceled"), JobStatus.FINISHED, Result.Type.SUCCESSFUL, "finished"),
        (Failed("empty_audio: Nothing."), JobStatus.FAILED, Result.Type.FAILED, "failed"),
        (Postponed("No space left on device"), JobStatus.STOPPED, Result.Type.FAILED, "failed"),
    ],
)
def test_an_ended_jobs_record_says_how_and_expires(
    redis: FakeRedis, end: End, status: JobStatus, kind: Result.Type, registry: str
) -> None:
    job_id = add(redis)
    run_next(Slot("batch", redis, Work(end), Gate()))
    job = QueuedJob.fetch(job_id, connection=redis, serializer=JSONSerializer)
    assert job.get_status() == status
    assert None not in (job.started_at, job.ended_at, job.worker_name)
    result = job.latest_result()
    assert result is not None
    assert (result.type, result.worker_name, bool(result.execution_id)) == (kind, job.worker_name, True)
    if isinstance(end, Failed | Postponed):
        assert result.exc_string == end.why
    assert redis.zscore(f"rq:{registry}:batch", job_id) == pytest.approx(time.time() + RECORD_TTL, abs=60)
    for key in redis.scan_iter(f"*{job_id}*"):
        assert 0 < redis.ttl(key) <= RECORD_TTL, key


@pytest.mark.fault(96)
def test_a_finished_job_has_no_result_in_redis(redis: FakeRedis) -> None:
    """Nor that of a run which broke off before."""
    job_id = add(redis)
    run_next(Slot("batch", redis, Work(Postponed("No space left on device")), Gate()))
    assert redis.exists(f"rq:results:{job_id}")
    queue = Queue("batch", connection=redis, serializer=JSONSerializer)
    queue.push_job_id(job_id)
    run_next(Slot("batch", redis, Work(Finished()), Gate()))
    job = QueuedJob.fetch(job_id, connection=redis, serializer=JSONSerializer)
    assert (job.get_status(), job.latest_result()) == (JobStatus.FINISHED, None)
    assert None not in (job.started_at, job.ended_at, job.worker_name)
    assert redis.zscore("rq:finished:batch", job_id) == pytest.approx(time.time() + RECORD_TTL, abs=60)
    for key in redis.scan_iter(f"*{job_id}*"):
        assert 0 < redis.ttl(key) <= RECORD_TTL, key
