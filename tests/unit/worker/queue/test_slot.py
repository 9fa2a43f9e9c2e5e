"""A slot runs our one function and nothing else, under a lease, and knows which ends are worth a second try."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from rq import Callback
from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.serializers import JSONSerializer

import worker.queue.queued_job
import worker.queue.slot
from tests.unit.factories import make_request
from worker.queue.gate import Gate
from worker.queue.job_queue import JobQueue, QueueName
from worker.queue.queued_job import JOB_FUNCTION
from worker.queue.run_end import Canceled, End, Failed, Finished, Lost, Requeue
from worker.queue.slot import Slot
from worker.runtime.timing import Timing
from worker.store.records import new_job_id

Run = Callable[[str], End]


class WorkOf:
    """What a slot calls; `run` is the test's."""

    def __init__(self, run: Run, after: Callable[[str], None]) -> None:
        self._run = run
        self.after = after
        self.running = self
        self.lost: list[str] = []
        self.asked_to_leave = threading.Event()

    def run(self, job_id: str, queue: QueueName) -> End:
        return self._run(job_id)

    def lose(self, job_id: str) -> None:
        self.lost.append(job_id)

    def hand_back_others(self, job_id: str) -> None:
        self.asked_to_leave.set()

    def end_alone(self) -> None:
        self.asked_to_leave.clear()


class Bench:
    """One slot on the batch queue, worked by hand."""

    def __init__(self) -> None:
        self.redis = FakeRedis()
        self.queue = JobQueue(self.redis)
        self.ran: list[Any] = []
        self.tidied: list[str] = []
        self.gate = Gate()

    def add(self) -> str:
        request = make_request(new_job_id())
        self.queue.enqueue(request)
        return request.id

    def slot(self, run: Run | None = None, is_deleted: bool = False, queue: QueueName = "batch") -> Slot:
        def note(job_id: str) -> End:
            self.ran.append(job_id)
            return Finished() if run is None else run(job_id)

        self.calls = WorkOf(note, self.queue.forget if is_deleted else self.tidied.append)
        return Slot(queue, self.redis, self.calls, self.gate)

    def work(self, slot: Slot) -> None:
        """Takes the next job and runs it, as its loop does."""
        taken = slot.take()
        assert taken is not None, "nothing waits in the queue"
        slot.run(taken)

    def record(self, job_id: str) -> Job:
        return Job.fetch(job_id, connection=self.redis, serializer=JSONSerializer)

    def waiting(self) -> int:
        return self.queue.length("batch")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def ends(end: End | Exception) -> Run:
    def run(_: str) -> End:
        if isinstance(end, Exception):
            raise end
        return end

    return run


@pytest.mark.parametrize("end", [lambda _: Finished(), ends(Canceled())])
def test_a_job_deleted_while_it_runs_leaves_nothing_in_rq(bench: Bench, end: Run) -> None:
    def run(job_id: str) -> End:
        bench.queue.forget(job_id)
        return end(job_id)

    job_id = bench.add()
    bench.work(bench.slot(run, is_deleted=True))
    assert job_id not in str(bench.redis.keys())
    for key in bench.redis.scan_iter(_type="zset"):
        assert job_id not in str(bench.redis.zrange(key, 0, -1))


def test_every_job_is_tidied_up_after(bench: Bench) -> None:
    first, second = bench.add(), bench.add()
    bench.work(bench.slot())
    bench.work(bench.slot(ends(Failed("audio_too_long: …"))))
    assert bench.tidied == [first, second]


def test_a_job_is_run_by_its_id(bench: Bench) -> None:
    job_id = bench.add()
    bench.work(bench.slot())
    assert bench.ran == [job_id]
    assert bench.record(job_id).get_status() == JobStatus.FINISHED
    assert bench.record(job_id).latest_result() is None, "the store has the transcript"
    assert bench.waiting() == 0


def test_a_job_that_ended_otherwise_is_failed_and_not_tried_again(bench: Bench) -> None:
    job_id = bench.add()
    bench.work(bench.slot(ends(Failed("empty_audio: There is nothing to hear."))))
    job = bench.record(job_id)
    assert job.get_status() == JobStatus.FAILED
    assert "empty_audio: There is nothing to hear." in str(job.latest_result().exc_string)  # type: ignore[union-attr]
    assert bench.waiting() == 0


def test_a_canceled_job_is_listed_as_that_and_not_tried_again(bench: Bench) -> None:
    job_id = bench.add()
    bench.work(bench.slot(ends(Canceled())))
    assert bench.record(job_id).get_status() == JobStatus.CANCELED
    assert bench.waiting() == 0


def test_after_a_canceled_job_the_next_one_fails_as_a_failure(bench: Bench) -> None:
    first, second = bench.add(), bench.add()
    ends_of_both: list[End] = [Canceled(), Failed("empty_audio")]
    slot = bench.slot(lambda _: ends_of_both.pop(0))
    bench.work(slot)
    bench.work(slot)
    assert bench.record(first).get_status() == JobStatus.CANCELED
    assert bench.record(second).get_status() == JobStatus.FAILED


def test_a_job_handed_back_waits_first_in_line(bench: Bench) -> None:
    job_id, other = bench.add(), bench.add()
    slot = bench.slot(ends(Requeue("The worker is stopping.")))
    for _ in range(3):
        bench.work(slot)
        assert bench.redis.lrange("rq:queue:batch", 0, -1) == [job_id.encode(), other.encode()]
        assert bench.record(job_id).get_status() == JobStatus.QUEUED
        assert bench.queue.leases.ids() == set()


def test_a_job_that_moves_goes_on_in_the_other_queue(bench: Bench) -> None:
    job_id = bench.add()
    bench.work(bench.slot(ends(Requeue("It is tried alone.", "alone", at_front=False))))
    assert (bench.waiting(), bench.queue.length("alone")) == (0, 1)
    bench.work(bench.slot(queue="alone"))
    assert bench.ran == [job_id] * 2
    assert bench.record(job_id).get_status() == JobStatus.FINISHED


def test_a_store_that_fails_is_no_crash_of_the_worker(bench: Bench) -> None:
    """Retries are for crashes; maintenance queues such a job again after a while, when the disk may be back."""
    job_id = bench.add()
    bench.work(bench.slot(ends(OSError("the disk is gone"))))
    assert bench.waiting() == 0
    assert job_id not in bench.queue.live_ids()


def foreign(bench: Bench, function: str, *args: Any, **options: Any) -> str:
    """Puts a record of somebody else's making into our queue."""
    queue = Queue("batch", connection=bench.redis, serializer=JSONSerializer)
    return str(queue.enqueue_call(function, args=args, job_id=new_job_id(), **options).id)


@pytest.mark.parametrize("function", ["os.system", "posix.system", "subprocess.getoutput", "builtins.eval", "no.such"])
def test_a_foreign_function_is_refused(bench: Bench, function: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    job_id = foreign(bench, function, f"touch {canary}")
    ours = bench.add()
    slot = bench.slot()
    bench.work(slot)
    assert bench.record(job_id).get_status() == JobStatus.FAILED
    assert "ForeignFunction" in str(bench.record(job_id).latest_result().exc_string)  # type: ignore[union-attr]
    bench.work(slot)
    assert bench.ran == [ours]
    assert not canary.exists()


def plant(*_: Any) -> None:
    """A hook such as somebody else's record would name."""
    raise AssertionError("a hook was called")


HOOK = f"{plant.__module__}.{plant.__name__}"


@pytest.mark.parametrize("end", [Finished(), Failed("failed"), Canceled(), OSError("broken")])
def test_hooks_that_a_record_names_are_not_called(
    bench: Bench, end: End | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setitem(globals(), "plant", lambda *_: called.append("hook"))
    hooks = {f"on_{when}": Callback(HOOK) for when in ("success", "failure", "stopped")}
    job_id = foreign(bench, JOB_FUNCTION, "job_1", **hooks)
    bench.work(bench.slot(ends(end)))
    assert bench.ran == [job_id]
    assert called == []


def test_a_record_that_cannot_be_read_does_not_end_the_slot(bench: Bench) -> None:
    broken, ours = bench.add(), bench.add()
    bench.redis.hset(f"rq:job:{broken}", "data", b"\x80\x04\x95 a pickle, by the looks of it")
    slot = bench.slot()
    bench.work(slot)
    bench.work(slot)
    assert bench.ran == [ours]
    assert bench.record(broken).get_status() == JobStatus.FAILED
    assert bench.queue.live_ids() == set()


def lease(bench: Bench) -> float:
    """Seconds until the job that runs would count as abandoned."""
    entries: Any = bench.redis.zrange("rq:wip:batch", 0, -1, withscores=True)
    return float(entries[0][1]) - time.time()


def test_a_running_job_holds_a_lease_that_beats_renew(bench: Bench) -> None:
    seen: list[float] = []

    def run(_: str) -> End:
        seen.append(lease(bench))
        entries: Any = bench.redis.zrange("rq:wip:batch", 0, -1)
        bench.redis.zadd("rq:wip:batch", {entries[0]: time.time() + 3})
        slot.beat()
        seen.append(lease(bench))
        return Finished()

    bench.add()
    slot = bench.slot(run)
    bench.work(slot)
    assert seen == [pytest.approx(Timing().lease, abs=3)] * 2
    assert bench.redis.zcard("rq:wip:batch") == 0


def test_a_beat_does_not_take_a_lost_lease_back(bench: Bench) -> None:
    def run(_: str) -> End:
        other_has_it(bench, job_id)
        slot.beat()
        assert bench.calls.lost == [job_id]
        return Finished()

    job_id = bench.add()
    slot = bench.slot(run)
    bench.work(slot)
    assert len(bench.ran) == 1
    assert bench.redis.zrange("rq:wip:batch", 0, -1) == [f"{job_id}:other".encode()]
    assert bench.record(job_id).get_status() == JobStatus.STARTED, "a late result changes nothing"


def other_has_it(bench: Bench, job_id: str) -> None:
    """Another worker was given the job while this one was silent."""
    bench.redis.delete("rq:wip:batch")
    bench.redis.zadd("rq:wip:batch", {f"{job_id}:other": time.time() + Timing().lease})


@pytest.mark.fault(8)
@pytest.mark.parametrize("end", [Finished(), Failed("failed"), Lost("late"), OSError("broken")])
def test_a_late_end_changes_nothing(bench: Bench, end: End | Exception) -> None:
    def run(job_id: str) -> End:
        other_has_it(bench, job_id)
        return ends(end)(job_id)

    job_id = bench.add()
    slot = bench.slot(run)
    bench.work(slot)
    assert bench.record(job_id).get_status() == JobStatus.STARTED
    assert bench.redis.zrange("rq:wip:batch", 0, -1) == [f"{job_id}:other".encode()]
    assert bench.waiting() == 0
    assert not slot.is_busy


@pytest.mark.fault(8)
def test_a_lost_job_that_nobody_has_goes_back_to_its_queue(bench: Bench) -> None:
    """A worker that was silent may take a job back on its way from one queue of the next worker's to another."""

    def run(job_id: str) -> End:
        bench.queue.leases.release_of(lambda _: True)
        slot.beat()  # takes it back
        return Lost("A later attempt has begun.")

    job_id = bench.add()
    slot = bench.slot(run)
    bench.work(slot)
    assert bench.record(job_id).get_status() == JobStatus.QUEUED
    assert bench.waiting() == 1
    assert bench.redis.zcard("rq:wip:batch") == 0


def test_a_job_given_back_while_its_worker_was_silent_is_taken_out_of_the_queue_again(bench: Bench) -> None:
    def run(job_id: str) -> End:
        bench.queue.leases.release_of(lambda _: True)
        assert bench.waiting() == 1
        slot.beat()
        assert bench.waiting() == 0
        assert bench.calls.lost == []
        return Finished()

    job_id = bench.add()
    slot = bench.slot(run)
    bench.work(slot)
    assert bench.record(job_id).get_status() == JobStatus.FINISHED


@pytest.mark.fault(11)
def test_a_running_job_takes_its_lease_anew_in_an_emptied_redis(bench: Bench) -> None:
    def run(job_id: str) -> End:
        bench.redis.flushall()
        slot.beat()
        assert bench.queue.live_ids() == {job_id}
        return Finished()

    bench.add()
    slot = bench.slot(run)
    bench.work(slot)
    assert bench.calls.lost == []
    assert bench.queue.live_ids() == set()


@pytest.mark.fault(7)
def test_a_job_that_runs_elsewhere_is_not_begun(bench: Bench) -> None:
    job_id = bench.add()
    other_has_it(bench, job_id)
    bench.work(bench.slot())
    assert bench.ran == []
    assert bench.queue.live_ids() == {job_id}
    assert bench.redis.llen("rq:queue:batch:intermediate") == 0


def test_while_a_job_is_tried_alone_no_other_begins(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    put_back = threading.Event()

    def note(*args: Any) -> None:
        worker.queue.queued_job.put_back(*args)
        put_back.set()

    monkeypatch.setattr(worker.queue.slot, "put_back", note)
    first, second = bench.add(), bench.add()
    bench.work(bench.slot(ends(Requeue("It is tried alone.", "alone"))))
    other = bench.slot()
    thread = threading.Thread(target=bench.work, args=(other,))

    def run(_: str) -> End:
        thread.start()
        assert put_back.wait(10)
        assert second not in bench.ran
        return Finished()

    bench.work(bench.slot(run, queue="alone"))
    thread.join(10)
    assert bench.ran == [first, first, second]
    assert bench.waiting() == 0


def test_a_job_to_be_tried_alone_waits_until_the_others_have_left(bench: Bench) -> None:
    order: list[str] = []

    def leave(_: str) -> End:
        assert bench.calls.asked_to_leave.wait(10)
        order.append("left")
        return Finished()

    running, suspect = bench.add(), bench.add()
    bench.redis.lmove("rq:queue:batch", "rq:queue:alone", "RIGHT", "LEFT")
    bench.redis.hset(f"rq:job:{suspect}", "origin", "alone")
    thread = threading.Thread(target=bench.work, args=(bench.slot(leave),))
    thread.start()
    wait_until(lambda: bench.ran == [running])
    calls = bench.calls

    def run_alone(_: str) -> End:
        order.append("alone")
        return Finished()

    alone = bench.slot(run_alone, queue="alone")
    bench.calls.asked_to_leave = calls.asked_to_leave
    bench.work(alone)
    thread.join(10)
    assert order == ["left", "alone"]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_idle_slot_has_nothing_to_renew(bench: Bench) -> None:
    bench.slot().beat()
    assert bench.redis.zcard("rq:wip:batch") == 0


def test_a_slot_that_is_to_stop_puts_what_it_took_back_first_in_line(bench: Bench) -> None:
    first, second = bench.add(), bench.add()
    slot = bench.slot()
    taken = slot.take()
    assert taken is not None
    slot.stop()
    slot.run(taken)
    assert bench.ran == []
    assert bench.redis.lrange("rq:queue:batch", 0, -1) == [first.encode(), second.encode()]
    assert bench.redis.exists("rq:queue:batch:intermediate", "rq:wip:batch") == 0


def test_a_slot_takes_from_its_own_queue_alone(bench: Bench) -> None:
    bench.queue.enqueue(make_request(new_job_id(), priority="interactive"))
    assert bench.slot().take() is None
