"""Store and Redis are brought back in step: nothing accepted is lost, nothing runs twice for it, old answers go."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakeredis import FakeRedis

import worker.maintenance.maintenance
import worker.queue.leases
from tests.unit.factories import make_request, make_transcript
from worker.fleet.clock import Clock
from worker.maintenance.maintenance import (
    KNOWN,
    LOCK,
    NEXT,
    PASS_LOCK,
    Maintenance,
)
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.queue.leases import Lease
from worker.runtime.timing import Timing
from worker.store.index.keeper import IndexKeeper
from worker.store.job_store import LocalStore
from worker.store.records import OUTCOME, JobError, JobRequest, Outcome, Retry


class SetByHand(Clock):
    """passed: seconds that it is ahead."""

    passed = 0.0

    def now(self) -> float:
        return super().now() + self.passed


class Bench:
    """A store, a Redis, and a clock that is set by hand."""

    def __init__(self, root: Path) -> None:
        self.store = LocalStore(root)
        self.redis = FakeRedis()
        self.redis.set(KNOWN, "1")
        self.clock, self.clock_of_leases = SetByHand(), SetByHand()
        self.queue = JobQueue(self.redis, clock=self.clock_of_leases)
        self.events = Events(self.redis)
        self.maintenance = Maintenance(self.store, self.queue, self.events, self.redis, clock=self.clock)

    @property
    def passed(self) -> float:
        return self.clock.passed

    @passed.setter
    def passed(self, seconds: float) -> None:
        self.clock.passed = seconds

    def add(self, age: float = 0.0, **changes: Any) -> JobRequest:
        """A job in the store, accepted so many seconds ago, and not in its queue."""
        upload = self.store.receive()
        request = make_request(upload.id, created_at=time.time() - age, **changes)
        upload.commit(request)
        return request

    def waiting(self) -> list[str]:
        ids: Any = self.redis.lrange("rq:queue:batch", 0, -1)
        return [job_id.decode() for job_id in ids]

    def run(self, later: float = 0.0) -> None:
        self.passed += later
        self.maintenance.run_once()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + bench.passed)
    monkeypatch.setattr(worker.maintenance.maintenance, "time", clock)
    return bench


def test_a_job_that_redis_lost_is_queued_again(bench: Bench) -> None:
    request = bench.add(age=3600)
    bench.run()
    assert bench.waiting() == [request.id]


@pytest.mark.fault(11)
def test_all_jobs_survive_a_redis_that_comes_back_empty(bench: Bench) -> None:
    requests = [bench.add(age=3600) for _ in range(5)]
    ended = bench.add(age=3600)
    bench.store.finish(ended.id, Outcome("finished"))
    for request in requests:
        bench.queue.enqueue(request)
    bench.run()
    bench.redis.flushall()
    bench.run(later=1)
    assert bench.waiting() == [], "those that still run make themselves known first"
    bench.run(later=Timing().settle)
    assert sorted(bench.waiting()) == sorted(request.id for request in requests)


@pytest.mark.fault(14)
def test_a_job_on_its_way_into_the_queue_is_given_time(bench: Bench) -> None:
    request = bench.add()
    bench.run()
    assert bench.waiting() == []
    bench.run(later=Timing().second_look + 1)
    assert bench.waiting() == [request.id]


def test_a_live_job_is_not_queued_a_second_time(bench: Bench) -> None:
    waiting, running = bench.add(age=3600), bench.add(age=3600)
    bench.queue.enqueue(waiting)
    bench.redis.zadd("rq:wip:batch", {f"{running.id}:execution": 4e9})
    for _ in range(3):
        bench.run(later=Timing().reconcile + 1)
    assert bench.waiting() == [waiting.id]


@pytest.mark.parametrize("state", ["finished", "failed", "canceled"])
def test_a_job_with_an_outcome_is_left_alone(bench: Bench, state: Any) -> None:
    request = bench.add(age=3600)
    bench.store.finish(request.id, Outcome(state))
    bench.run()
    bench.run(later=Timing().reconcile + 1)
    assert bench.waiting() == []
    assert bench.store.request(request.id) == request


def test_reconciling_is_done_once_a_minute(bench: Bench) -> None:
    bench.run()
    request = bench.add(age=3600)
    bench.run(later=Timing().reconcile / 2)
    assert bench.waiting() == []
    bench.run(later=Timing().reconcile)
    assert bench.waiting() == [request.id]


def abandon(bench: Bench, request: JobRequest) -> None:
    """Leaves the job as a worker that was killed does."""
    bench.queue.enqueue(request)
    bench.redis.delete("rq:queue:batch")
    bench.redis.hset(f"rq:job:{request.id}", mapping={"status": "started"})
    bench.redis.zadd("rq:wip:batch", {f"{request.id}:execution": 1.0})


def test_an_abandoned_job_goes_back_at_every_look(bench: Bench) -> None:
    request = bench.add(age=3600)
    bench.run()
    abandon(bench, request)
    bench.run(later=1)
    assert bench.waiting() == [], "its worker may renew the lease, if only the clock jumped"
    bench.run(later=Timing().confirm)
    assert bench.waiting() == [request.id]


def test_a_job_taken_by_a_slot_that_died_at_once_goes_back(bench: Bench) -> None:
    """Between taking it and holding a lease a slot has the job in the queue's intermediate list alone."""
    request = bench.add(age=3600)
    bench.queue.enqueue(request)
    bench.redis.lmove("rq:queue:batch", "rq:queue:batch:intermediate")
    bench.run()
    assert bench.waiting() == [], "a living slot needs a moment for this too"
    for _ in range(9):
        bench.run(later=5)
    assert bench.waiting() == [request.id]
    assert bench.redis.llen("rq:queue:batch:intermediate") == 0
    assert bench.queue.live_ids() == {request.id}


@pytest.mark.fault(51)
@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_takes_no_job_from_a_living_worker(bench: Bench, jump: float) -> None:
    """Redis' own."""
    running = bench.add(age=3600)
    abandon(bench, running)
    lease = Lease("batch", running.id, "execution")
    bench.run()
    assert bench.queue.leases.renew(lease)
    bench.passed += jump
    bench.clock_of_leases.passed = bench.passed
    bench.maintenance.run_once()
    assert bench.queue.leases.renew(lease), "its beat comes every few seconds"
    for _ in range(3):
        bench.maintenance.run_once()
    assert bench.waiting() == []
    assert bench.queue.live_ids() == {running.id}


def test_an_answered_job_is_forgotten_after_a_while(bench: Bench) -> None:
    request = bench.add(kind="sync")
    bench.queue.enqueue(request)
    bench.redis.delete("rq:queue:batch")
    bench.events.window(request.id, 1.0, 2.0, [])
    bench.store.finish(request.id, Outcome("finished"))
    bench.store.mark_answered(request.id)
    bench.run()
    assert list(bench.store.ids()) == [request.id]
    bench.run(later=Timing().answered + Timing().reconcile)
    assert list(bench.store.ids()) == []
    assert list(bench.redis.scan_iter(f"*{request.id}*")) == []


def test_a_waiting_client_that_never_came_back_is_given_a_day(bench: Bench) -> None:
    request = bench.add(kind="sync")
    bench.store.finish(request.id, Outcome("finished"))
    bench.run(later=Timing().unanswered - 60)
    assert list(bench.store.ids()) == [request.id]
    bench.run(later=120)
    assert list(bench.store.ids()) == []


def test_the_recording_of_an_ended_synchronous_job_goes_at_once(bench: Bench) -> None:
    ended, running, job = bench.add(kind="sync"), bench.add(kind="sync"), bench.add()
    for request in (ended, job):
        bench.store.finish(request.id, Outcome("finished"))
    bench.run()
    assert [bench.store.source(one.id).exists() for one in (ended, running, job)] == [False, True, True]


def test_a_job_nobody_waits_for_is_kept(bench: Bench) -> None:
    request = bench.add()
    bench.store.finish(request.id, Outcome("finished"))
    bench.store.mark_answered(request.id)
    bench.run(later=6 * 24 * 3600)
    assert list(bench.store.ids()) == [request.id]


def test_who_does_not_get_the_lock_does_nothing(bench: Bench) -> None:
    bench.add(age=3600)
    bench.redis.set(LOCK, "somebody else")
    bench.run()
    assert bench.waiting() == []
    assert bench.redis.get(LOCK) == b"somebody else"


@pytest.mark.fault(105)
def test_a_slow_pass_elsewhere_holds_up_no_takeover(bench: Bench) -> None:
    request = bench.add(age=3600)
    bench.run()
    abandon(bench, request)
    bench.redis.set(PASS_LOCK, "a process that reads the whole store")
    bench.run(later=1)
    bench.run(later=Timing().confirm)
    assert bench.waiting() == [request.id]


@pytest.mark.fault(105)
def test_a_slow_pass_of_ones_own_takes_over_meanwhile(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        bench.store.finish(bench.add(age=3600).id, Outcome("finished"))
    looks = []
    outcome = bench.store.outcome

    def slow(job_id: str) -> Outcome | None:
        bench.passed += 1.0
        return outcome(job_id)

    monkeypatch.setattr(bench.store, "outcome", slow)
    monkeypatch.setattr(bench.queue, "recover_abandoned", lambda now: looks.append(bench.passed))
    bench.run()
    assert len(looks) >= 5
    assert max(later - sooner for sooner, later in itertools.pairwise(looks)) <= Timing().maintenance + 1


@pytest.mark.fault(105)
def test_one_pass_will_do_for_all_processes(bench: Bench) -> None:
    other = Maintenance(bench.store, bench.queue, bench.events, bench.redis, clock=bench.clock)
    bench.run()
    other.run_once()  # as it starts
    for minute in range(3):
        request = bench.add(age=3600)
        bench.run(later=Timing().reconcile + 1)
        assert bench.waiting() == [request.id]
        bench.redis.flushall()
        bench.redis.mset({KNOWN: "1", NEXT: time.time() + bench.passed + Timing().reconcile})
        other.run_once()
        assert bench.waiting() == [], f"minute {minute}: the other one has looked just now"
        bench.store.delete(request.id)


@pytest.mark.fault(105)
def test_what_has_ended_and_is_not_due_is_not_looked_at(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.store.root / "index").mkdir()
    keeper = IndexKeeper(bench.store.root / "jobs", bench.store.index)
    keeper.keep(0.0)
    ended = [bench.add(age=3600) for _ in range(5)]
    for request in ended:
        bench.store.finish(request.id, Outcome("finished"))
    waiting = bench.add()
    bench.queue.enqueue(waiting)
    bench.run()
    looked_at: list[str] = []
    monkeypatch.setattr(bench.store, "outcome", lambda job_id: looked_at.append(job_id))
    bench.run(later=Timing().reconcile + 1)
    assert looked_at == [], "nor is what waits in a queue"
    monkeypatch.undo()


@pytest.mark.fault(105)
def test_many_that_are_due_are_looked_at_in_several_rounds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.store.root / "index").mkdir()
    IndexKeeper(bench.store.root / "jobs", bench.store.index).keep(0.0)
    monkeypatch.setattr(worker.maintenance.maintenance, "ENDED_AT_ONCE", 2)
    for _ in range(5):
        bench.store.finish(bench.add(kind="sync").id, Outcome("finished", ended_at=time.time() - 48 * 3600))
    left = []
    for _ in range(3):
        bench.run(later=Timing().maintenance)
        left.append(len(list(bench.store.ids())))
    assert left == [3, 1, 0]


@pytest.mark.fault(104)
def test_an_end_that_did_not_come_to_the_index_is_found_by_the_next_pass(bench: Bench) -> None:
    (bench.store.root / "index").mkdir()
    IndexKeeper(bench.store.root / "jobs", bench.store.index).keep(0.0)
    request = bench.add(kind="sync")
    path = bench.store.source(request.id).with_name("outcome.json")
    path.write_bytes(OUTCOME.dump(Outcome("finished")))
    bench.run()
    assert not bench.store.source(request.id).exists()
    assert list(bench.store.catalog.not_ended()) == []


def test_the_lock_is_given_back_even_after_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(now: float) -> None:
        assert 0 < bench.redis.ttl(LOCK) <= Timing().maintenance_lock
        raise OSError("the disk is gone")

    monkeypatch.setattr(bench.queue, "recover_abandoned", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        bench.run()
    assert bench.redis.get(LOCK) is None


def test_a_lock_that_ran_out_and_was_taken_by_another_is_not_given_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.queue, "recover_abandoned", lambda now: bench.redis.set(LOCK, "another's"))
    bench.run()
    assert bench.redis.get(LOCK) == b"another's"


BROKEN = {"torn": b'{"id": "job_', "empty": b"", "not a record": b"[1, 2]", "of another version": b'{"id": "x"}'}


@pytest.mark.parametrize("kind", [*BROKEN, "a file"])
def test_one_broken_record_does_not_keep_the_others_waiting(bench: Bench, kind: str) -> None:
    older, broken, newer = (bench.add(age=3600) for _ in range(3))
    directory = bench.store.source(broken.id).parent
    if kind == "a file":
        os.rename(directory, bench.store.root / "aside")
        directory.touch()
    else:
        (directory / "job.json").write_bytes(BROKEN[kind])
    bench.run()
    assert sorted(bench.waiting()) == sorted([older.id, newer.id])


def test_uploads_cut_off_are_swept(bench: Bench) -> None:
    upload = bench.store.receive()
    directory = bench.store.root / "incoming" / upload.id
    for path in (directory / "source", directory):
        os.utime(path, (time.time() - Timing().partial - 60,) * 2)
    bench.run()
    assert not directory.exists()
    upload.discard()


@pytest.mark.fault(67)
def test_a_damaged_record_stops_no_other(bench: Bench) -> None:
    jobs = [bench.add(age=3600) for _ in range(3)]
    (bench.store.source(jobs[1].id).parent / "job.json").write_text('{"id": ')
    bench.run()
    assert sorted(bench.waiting()) == [jobs[0].id, jobs[2].id]


@pytest.mark.fault(67)
@pytest.mark.parametrize("name", ["job.json", "outcome.json"])
def test_a_record_that_stays_damaged_is_set_aside(bench: Bench, name: str, caplog: pytest.LogCaptureFixture) -> None:
    request = bench.add(age=3600)
    bench.store.finish(request.id, Outcome("finished"))
    (bench.store.source(request.id).parent / name).write_text("{")
    bench.run()
    bench.run(later=Timing().damaged - 1)
    assert bench.store.has(request.id)
    bench.run(later=Timing().reconcile + 1)
    assert not bench.store.has(request.id)
    assert (bench.store.root / "broken" / request.id / "source").exists()
    assert f"{request.id} was set aside" in caplog.text


@pytest.mark.fault(67)
def test_a_record_that_can_be_read_meanwhile_was_not_damaged(bench: Bench) -> None:
    request = bench.add(age=3600)
    path = bench.store.source(request.id).parent / "job.json"
    content = path.read_bytes()
    for _ in range(3):
        path.write_bytes(content[:-1])
        bench.run(later=Timing().damaged / 2 + 1)
        path.write_bytes(content)
        bench.run(later=Timing().damaged / 2 + 1)
    assert bench.store.request(request.id) == request


@pytest.mark.fault(67)
@pytest.mark.parametrize("name", ["job.json", "outcome.json"])
def test_a_record_of_a_newer_version_is_never_set_aside(bench: Bench, name: str) -> None:
    request = bench.add(age=3600)
    (bench.store.source(request.id).parent / name).write_text('{"format": 2, "ending": "expired"}')
    for _ in range(3):
        bench.run(later=10 * Timing().damaged)
    assert bench.store.has(request.id)


@pytest.mark.fault(67)
def test_a_job_keeps_its_recording_though_its_transcript_is_damaged(bench: Bench) -> None:
    request = bench.add(age=3600)
    bench.store.save_transcript(request.id, make_transcript())
    bench.store.finish(request.id, Outcome("finished"))
    (bench.store.source(request.id).parent / "transcript.json").write_text("{")
    for _ in range(3):
        bench.run(later=Timing().damaged)
    assert bench.store.source(request.id).exists()


def set_back(bench: Bench, request: JobRequest, pause: float, *, in_redis: bool) -> None:
    """The job's last try came to nothing just now. in_redis: whether Redis still knows."""
    bench.store.put_aside(request.id, Retry(JobError("out_of_memory", "Short."), 1, time.time(), pause))
    if in_redis:
        bench.redis.zadd("rq:scheduled:batch", {request.id: int(time.time() + pause)})


@pytest.mark.fault(111)
@pytest.mark.parametrize("in_redis", [True, False])
def test_a_job_put_aside_is_queued_when_it_is_due_and_not_before(bench: Bench, in_redis: bool) -> None:
    request = bench.add(age=3600)
    set_back(bench, request, 300.0, in_redis=in_redis)
    bench.run()
    bench.run(later=120)
    assert bench.waiting() == []
    bench.run(later=181)
    assert bench.waiting() == [request.id]
    bench.run(later=181)
    assert bench.waiting() == [request.id]


def test_a_job_that_ended_or_went_while_put_aside_is_not_queued(bench: Bench) -> None:
    canceled, deleted = bench.add(), bench.add()
    for request in (canceled, deleted):
        set_back(bench, request, 1.0, in_redis=True)
    bench.store.finish(canceled.id, Outcome("canceled"))
    bench.store.delete(deleted.id)
    bench.run(later=5)
    assert bench.waiting() == []


def test_what_comes_while_the_store_is_listed_is_not_missing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a service that always has new jobs would go through all of them again and again."""
    request = bench.add()
    real = bench.queue.live_ids

    def live_ids() -> set[str]:
        found = real()
        if not found:
            bench.queue.enqueue(request)
        return found

    monkeypatch.setattr(bench.queue, "live_ids", live_ids)
    bench.run()
    next_at: Any = bench.redis.get(NEXT)
    assert float(next_at) - bench.clock.now() > Timing().second_look
    assert bench.queue.live_ids() == {request.id}


def test_over_a_shared_store_whoever_starts_makes_no_pass_of_its_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalStore, "is_shared", True)
    bench.run()
    starting = Maintenance(bench.store, bench.queue, bench.events, bench.redis, clock=bench.clock)
    passes: list[Any] = []
    monkeypatch.setattr(starting, "_pass", lambda: passes.append(starting))
    starting.run_once()
    assert passes == []
    bench.passed += Timing().reconcile + 1
    starting.run_once()
    assert passes == [starting]
