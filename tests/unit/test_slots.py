"""A slot runs our one function and nothing else, under a lease, and knows which ends are worth a second try."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from rq import Callback
from rq.exceptions import StopRequested
from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.serializers import JSONSerializer

from tests.unit.factories import make_request
from worker.jobs import new_job_id
from worker.queue import CRASH_RETRIES, JOB_FUNCTION, JobQueue
from worker.runner import HandBack, JobCanceled, JobEnded
from worker.slots import LEASE, Slot

Run = Callable[[str], dict[str, str]]


class Bench:
    """One slot on the batch queue, worked by hand."""

    def __init__(self) -> None:
        self.redis = FakeRedis()
        self.queue = JobQueue(self.redis)
        self.ran: list[Any] = []
        self.tidied: list[str] = []

    def add(self) -> str:
        request = make_request(new_job_id())
        self.queue.enqueue(request)
        return request.id

    def slot(self, run: Run | None = None, is_deleted: bool = False) -> Slot:
        def note(job_id: str) -> dict[str, str]:
            self.ran.append(job_id)
            return {"state": "finished"} if run is None else run(job_id)

        return Slot("batch", self.redis, note, self.queue.forget if is_deleted else self.tidied.append)

    def work(self, slot: Slot) -> None:
        """Takes the next job and runs it, as RQ's loop does."""
        taken = slot.dequeue_job_and_maintain_ttl(None)
        assert taken is not None, "nothing waits in the queue"
        slot.execute_job(*taken)

    def record(self, job_id: str) -> Job:
        return Job.fetch(job_id, connection=self.redis, serializer=JSONSerializer)

    def waiting(self) -> int:
        depth: int = self.queue.depth()["batch"]
        return depth


@pytest.fixture
def bench() -> Bench:
    return Bench()


def raises(error: Exception) -> Run:
    def run(_: str) -> dict[str, str]:
        raise error

    return run


@pytest.mark.parametrize("end", [lambda _: {"state": "finished"}, raises(JobCanceled("It was deleted."))])
def test_a_job_deleted_while_it_runs_leaves_nothing_in_rq(bench: Bench, end: Run) -> None:
    def run(job_id: str) -> dict[str, str]:
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
    bench.work(bench.slot(raises(JobEnded("audio_too_long: …"))))
    assert bench.tidied == [first, second]


def test_a_job_is_run_by_its_id(bench: Bench) -> None:
    job_id = bench.add()
    bench.work(bench.slot())
    assert bench.ran == [job_id]
    assert bench.record(job_id).get_status() == JobStatus.FINISHED
    assert bench.record(job_id).return_value() == {"state": "finished"}
    assert bench.waiting() == 0


def test_a_job_that_ended_otherwise_is_failed_and_not_tried_again(bench: Bench) -> None:
    job_id = bench.add()
    bench.work(bench.slot(raises(JobEnded("empty_audio: There is nothing to hear."))))
    job = bench.record(job_id)
    assert job.get_status() == JobStatus.FAILED
    assert "empty_audio: There is nothing to hear." in str(job.latest_result().exc_string)  # type: ignore[union-attr]
    assert bench.waiting() == 0


def test_a_canceled_job_is_stopped_and_not_tried_again(bench: Bench) -> None:
    job_id = bench.add()
    bench.work(bench.slot(raises(JobCanceled("The job was canceled."))))
    assert bench.record(job_id).get_status() == JobStatus.STOPPED
    assert bench.waiting() == 0


def test_after_a_canceled_job_the_next_one_fails_as_a_failure(bench: Bench) -> None:
    first, second = bench.add(), bench.add()
    ends = iter([JobCanceled("canceled"), JobEnded("empty_audio")])

    def run(_: str) -> dict[str, str]:
        raise next(ends)

    slot = bench.slot(run)
    bench.work(slot)
    bench.work(slot)
    assert bench.record(first).get_status() == JobStatus.STOPPED
    assert bench.record(second).get_status() == JobStatus.FAILED


def test_a_job_handed_back_waits_again_and_nothing_is_counted(bench: Bench) -> None:
    job_id = bench.add()
    slot = bench.slot(raises(HandBack("The worker is stopping.")))
    for _ in range(CRASH_RETRIES + 3):
        bench.work(slot)
        assert bench.waiting() == 1
        assert bench.record(job_id).retries_left == CRASH_RETRIES
        assert bench.record(job_id).get_status() == JobStatus.QUEUED


def test_a_job_on_its_last_try_can_be_handed_back_too(bench: Bench) -> None:
    job_id = bench.add()
    bench.redis.hset(f"rq:job:{job_id}", "retries_left", "0")
    bench.work(bench.slot(raises(HandBack("The worker is stopping."))))
    assert bench.waiting() == 1
    assert not bench.record(job_id).retries_left


def test_a_store_that_fails_is_no_crash_of_the_worker(bench: Bench) -> None:
    """Retries are for crashes; maintenance queues such a job again after a while, when the disk may be back."""
    job_id = bench.add()
    bench.work(bench.slot(raises(OSError("the disk is gone"))))
    assert bench.waiting() == 0
    assert job_id not in bench.queue.live_ids()
    assert not bench.queue.has_crashed_out(job_id)


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


@pytest.mark.parametrize("error", [None, JobEnded("failed"), JobCanceled("canceled"), OSError("broken")])
def test_hooks_that_a_record_names_are_not_called(
    bench: Bench, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setitem(globals(), "plant", lambda *_: called.append("hook"))
    hooks = {f"on_{when}": Callback(HOOK) for when in ("success", "failure", "stopped")}
    foreign(bench, JOB_FUNCTION, "job_1", **hooks)
    bench.work(bench.slot(raises(error) if error else None))
    assert bench.ran == ["job_1"]
    assert called == []


def test_a_record_that_cannot_be_read_does_not_end_the_slot(bench: Bench) -> None:
    broken, ours = bench.add(), bench.add()
    bench.redis.hset(f"rq:job:{broken}", "data", b"\x80\x04\x95 a pickle, by the looks of it")
    slot = bench.slot()
    bench.work(slot)
    bench.work(slot)
    assert bench.ran == [ours]


def lease(bench: Bench) -> float:
    """Seconds until the job that runs would count as abandoned."""
    entries: Any = bench.redis.zrange("rq:wip:batch", 0, -1, withscores=True)
    return float(entries[0][1]) - time.time()


def test_a_running_job_holds_a_lease_that_beats_renew(bench: Bench) -> None:
    seen: list[float] = []

    def run(_: str) -> dict[str, str]:
        seen.append(lease(bench))
        entries: Any = bench.redis.zrange("rq:wip:batch", 0, -1)
        bench.redis.zadd("rq:wip:batch", {entries[0]: time.time() + 3})
        slot.beat()
        seen.append(lease(bench))
        return {"state": "finished"}

    bench.add()
    slot = bench.slot(run)
    bench.work(slot)
    assert seen == [pytest.approx(LEASE, abs=3)] * 2
    assert bench.redis.zcard("rq:wip:batch") == 0


def test_a_beat_does_not_take_a_lost_lease_back(bench: Bench) -> None:
    def run(_: str) -> dict[str, str]:
        bench.redis.delete("rq:wip:batch")  # another worker was given the job meanwhile
        slot.beat()
        assert bench.redis.zcard("rq:wip:batch") == 0
        return {"state": "finished"}

    bench.add()
    slot = bench.slot(run)
    bench.work(slot)
    assert len(bench.ran) == 1


def test_an_idle_slot_has_nothing_to_renew(bench: Bench) -> None:
    bench.slot().beat()
    assert bench.redis.zcard("rq:wip:batch") == 0


def test_a_slot_that_is_to_stop_puts_what_it_took_back_first_in_line(bench: Bench) -> None:
    first, second = bench.add(), bench.add()
    slot = bench.slot()
    taken = slot.dequeue_job_and_maintain_ttl(None)
    assert taken is not None
    slot.stop()
    with pytest.raises(StopRequested):
        slot.execute_job(*taken)
    assert bench.ran == []
    assert bench.redis.lrange("rq:queue:batch", 0, -1) == [first.encode(), second.encode()]
    assert bench.redis.exists("rq:queue:batch:intermediate", "rq:wip:batch") == 0
    assert bench.record(first).retries_left == CRASH_RETRIES


def test_a_slot_takes_from_its_own_queue_alone(bench: Bench) -> None:
    bench.queue.enqueue(make_request(new_job_id(), priority="interactive"))
    assert bench.slot().dequeue_job_and_maintain_ttl(None) is None
    assert len(bench.slot().queues) == 1
