"""Jobs that not every worker can do reach one that can: once moved, before those behind them, and within its places."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

import worker.queue.slot
from tests.unit.factories import make_request, wait_for
from worker.fleet.needs import Need
from worker.queue.gate import Gate
from worker.queue.job_queue import JobQueue, Place, QueueName
from worker.queue.run_end import End, Finished, Requeue
from worker.queue.slot import Slot
from worker.queue.slots import Slots
from worker.runtime.timing import Timing
from worker.store.records import JobRequest, new_job_id

SMALL = Need("small")


class Work:
    """Of a worker that serves these models; a job is held until `let_go`."""

    def __init__(self, redis: FakeRedis, *models: str) -> None:
        self._redis = redis
        self._models = models
        self.running: Any = SimpleNamespace(
            lose=lambda job_id: None, hand_back_others=lambda job_id: None, end_alone=lambda: None
        )
        self.ran: list[str] = []
        self.inside = self.most = 0
        self.let_go = threading.Event()
        self._counting = threading.Lock()

    def run(self, job_id: str, queue: QueueName) -> End:
        meta: Any = self._redis.hget(f"rq:job:{job_id}", "meta")
        if (model := json.loads(meta)["model"]) not in self._models:
            return Requeue("Others serve it.", need=Need(model), at_front=False)
        with self._counting:
            self.ran.append(job_id)
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.let_go.wait(10)
        with self._counting:
            self.inside -= 1
        return Finished()

    def after(self, job_id: str) -> None:
        pass


class Bench:
    def __init__(self) -> None:
        self.server = FakeServer()
        self.redis = FakeRedis(server=self.server)
        self.queue = JobQueue(self.redis)
        self.stop: list[Slots] = []

    def add(self, model: str = "base", **changes: Any) -> JobRequest:
        request = make_request(new_job_id(), model=model, **changes)
        self.queue.enqueue(request)
        return request

    def take(self, slot: Slot) -> None:
        taken = slot.take()
        assert taken is not None
        slot.run(taken)

    def slots(self, work: Work, batch: int) -> Slots:
        slots = Slots(FakeRedis(server=self.server), work, {"interactive": 1, "batch": batch}, Timing().scaled(0.01))
        self.stop.append(slots)
        slots.start()
        return slots


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    for slots in bench.stop:
        slots.stop(5.0)


@pytest.fixture
def moved(bench: Bench) -> JobRequest:
    """One that a worker has moved to the queue of those that can do it."""
    request = bench.add("small")
    bench.take(Slot("batch", bench.redis, SimpleWork(Requeue("Others do.", need=SMALL, at_front=False)), Gate()))
    return request


class SimpleWork:
    def __init__(self, end: End) -> None:
        self._end = end
        self.running: Any = SimpleNamespace()

    def run(self, job_id: str, queue: QueueName) -> End:
        return self._end

    def after(self, job_id: str) -> None:
        pass


def test_a_job_that_was_moved_waits_as_before(bench: Bench, moved: JobRequest) -> None:
    other = bench.add()
    assert bench.queue.waiting_ids("batch") == [moved.id, other.id]
    assert bench.queue.position(moved) == 0
    assert bench.queue.length("batch") == bench.queue.backlog_length("batch") == 2
    assert bench.queue.live_ids() == bench.queue.all_waiting_ids() == {moved.id, other.id}
    assert bench.queue.ids_by_queue()["batch"] == {moved.id, other.id}
    assert bench.queue.leases.ids() == set()


def test_a_job_that_was_moved_can_be_canceled_and_forgotten(bench: Bench, moved: JobRequest) -> None:
    bench.queue.withdraw(moved)
    assert bench.queue.live_ids() == set()
    bench.queue.forget(moved.id)
    assert moved.id not in str(bench.redis.keys())


def test_a_canceled_job_that_was_moved_is_listed_where_such_lists_are_tidied(bench: Bench, moved: JobRequest) -> None:
    """Also a day later, when RQ has forgotten the job."""
    bench.queue.withdraw(moved)
    assert bench.redis.zscore("rq:canceled:batch", moved.id) is not None
    bench.redis.delete(f"rq:job:{moved.id}")
    bench.queue.forget(moved.id)
    assert bench.redis.keys("rq:canceled:*") == []


def test_owners_take_turns_with_those_that_were_moved(bench: Bench, moved: JobRequest) -> None:
    later = make_request(new_job_id(), model="Small")
    bench.queue.insert(later, lambda redis, keys: Place(keys[0], moved.id))
    assert bench.queue.waiting_ids("batch") == [later.id, moved.id]
    other = make_request(new_job_id(), model="base")
    assert bench.queue.insert(other, lambda redis, keys: Place(*keys)) == Place("rq:queue:batch")
    assert bench.queue.waiting_ids("batch") == [later.id, moved.id, other.id], "that queue is of another model"


def test_a_moved_job_is_run_under_the_lease_of_its_common_queue(bench: Bench, moved: JobRequest) -> None:
    """So that every version knows who has it, and where it goes if that one dies."""
    leased: list[set[str]] = []
    work = SimpleWork(Finished())
    work.run = lambda job_id, queue: leased.append(bench.queue.leases.ids()) or Finished()  # type: ignore[method-assign,func-returns-value]  # a look in mid-run
    bench.take(Slot("batch", bench.redis, work, Gate(), need=SMALL))
    assert leased == [{moved.id}]
    assert bench.queue.live_ids() == set()


def test_a_job_that_a_slot_of_a_special_queue_did_not_begin_goes_back_there(bench: Bench, moved: JobRequest) -> None:
    bench.redis.lmove("rq:queue:batch:small", "rq:queue:batch:small:intermediate")  # as RQ does; the fake Redis pops
    for now in (0.0, Timing().stranded):
        bench.queue.recover_abandoned(now)
    assert bench.redis.lrange("rq:queue:batch:small", 0, -1) == [moved.id.encode()]


@pytest.mark.fault(172)
def test_no_job_goes_in_circles(bench: Bench, moved: JobRequest) -> None:
    """If two workers understand a name otherwise, it waits as if none that is there served it."""
    end = Requeue("Others do.", need=SMALL, at_front=False)
    bench.take(Slot("batch", bench.redis, SimpleWork(end), Gate(), need=SMALL))
    assert bench.queue.waiting_ids("batch") == []
    assert bench.queue.is_put_aside(moved.id)


@pytest.mark.fault(172)
def test_a_job_is_not_behind_those_of_another_model(bench: Bench) -> None:
    """Each is moved once at most: a worker that has nothing else to do clears the way to what it can do."""
    for _ in range(20):
        bench.add("base")
    wanted = bench.add("small")
    work = Work(bench.redis, "small")
    bench.slots(work, batch=2)
    wait_for(lambda: work.ran == [wanted.id])
    wait_for(lambda: bench.redis.llen("rq:queue:batch:base") == 20)
    work.let_go.set()


def test_a_worker_has_no_more_in_hand_for_its_special_queues(bench: Bench) -> None:
    jobs = [bench.add("small") for _ in range(12)]
    other = Work(bench.redis, "base")
    others = bench.slots(other, batch=2)
    wait_for(lambda: bench.redis.llen("rq:queue:batch:small") == 12)
    others.stop(5.0)
    work = Work(bench.redis, "small")
    slots = bench.slots(work, batch=3)
    slots.serve_needs([SMALL])
    slots.serve_needs([SMALL])
    wait_for(lambda: work.inside == 3)
    common = [bench.add("small") for _ in range(3)]
    work.let_go.set()
    wait_for(lambda: len(work.ran) == 15)
    assert work.most == 3
    assert set(work.ran) == {job.id for job in (*jobs, *common)}
    wait_for(lambda: bench.queue.live_ids() == set())


def test_a_slot_that_loses_redis_keeps_no_place(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waited for one, and cannot ask any more what it was for."""
    bench.add()
    gate = Gate(places={"batch": 1})
    slot = Slot("batch", bench.redis, SimpleWork(Finished()), gate)
    taken = slot.take()
    assert taken is not None
    assert gate.enter("batch")

    def lose(timeout: float | None = None) -> None:
        raise ConnectionError

    monkeypatch.setattr(slot, "take", lose)
    monkeypatch.setattr(worker.queue.slot, "put_back", lambda *job: gate.leave("batch"))
    with pytest.raises(ConnectionError):
        slot.run(taken)
    assert gate.enter("batch")
