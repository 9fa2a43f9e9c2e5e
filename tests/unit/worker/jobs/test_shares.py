"""No owner takes all of a bounded thing while others may want some, and their jobs take turns."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fakeredis import FakeRedis, FakeServer
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError

from tests.unit.factories import make_request
from worker.jobs.backlog import Backlog, QueueFull
from worker.jobs.expiry import Expiry
from worker.jobs.job_service import CannotRequeue, JobService
from worker.jobs.shares import has_share, turn
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.job_store import LocalStore
from worker.store.records import JobRequest, Outcome, Webhook
from worker.webhooks.message import event_id
from worker.webhooks.outbox import Outbox

pytestmark = pytest.mark.fault(80)


class Bench:
    """Keys' holders who submit jobs of an hour each, to queues of 16 jobs and 24 hours."""

    def __init__(self, root: Path, *, is_shared: bool = True) -> None:
        server = FakeServer()
        self.redis = FakeRedis(server=server)
        self.store = LocalStore(root)
        self.queue = JobQueue(self.redis)
        self.backlog = Backlog(
            self.store, self.queue, max_jobs=16, max_hours=24, timing=Timing(backlog=1e-6), is_shared=is_shared
        )
        self.service = JobService(self.store, self.queue, Events(self.redis), self.backlog, Expiry(self.store))

    def submit(self, owner: str, hours: float = 1.0, webhook: Webhook | None = None) -> JobRequest:
        """As the API does: it asks first, and then reads the recording."""
        self.backlog.check("batch", owner, 1, 1)
        upload = self.store.receive()
        upload.write(b"RIFF")
        request = make_request(upload.id, owner=owner, declared_seconds=hours * 3600, webhook=webhook)
        self.service.submit(upload, request)
        return request

    def fill(self, owner: str, hours: float = 1.0) -> int:
        """How many jobs the owner gets in."""
        for number in range(100):
            try:
                self.submit(owner, hours)
            except QueueFull:
                return number
        return 100

    def waiting(self) -> str:
        """The owners of those that wait, the next one first."""
        return "".join(self.store.request(job_id).owner for job_id in self.queue.waiting_ids("batch"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_one_owner_has_half_of_a_queue_and_whoever_comes_later_finds_a_place(bench: Bench) -> None:
    assert [bench.fill(owner) for owner in "abcd"] == [8, 4, 2, 1]
    assert bench.submit("e")


@pytest.mark.parametrize("method", ["forget", "state"])
def test_a_requeued_job_owes_its_new_end_though_redis_goes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Maintenance queues it then."""
    bench = Bench(tmp_path, is_shared=False)
    request = bench.submit("a", webhook=Webhook("https://example.com/hook"))
    bench.store.finish(request.id, Outcome("failed"))
    bench.queue.withdraw(request)

    def fails(*_: object) -> None:
        raise ConnectionError("Redis is away")

    monkeypatch.setattr(Events, method, fails)
    outbox = Outbox(bench.store)
    with pytest.raises(ConnectionError):
        outbox.requeue(bench.service, request.id)
    assert bench.store.outcome(request.id) is None
    bench.store.finish(request.id, Outcome("canceled"))
    delivery = outbox.delivery(request)
    assert delivery is not None
    assert delivery.id == event_id(request.id, 2)


def test_of_two_who_run_a_job_again_at_once_the_later_is_told_that_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, is_shared=False)
    request = bench.submit("a")
    bench.store.finish(request.id, Outcome("failed"))
    bench.queue.withdraw(request)
    reopen = bench.store.reopen

    def reopened_twice(job_id: str, end: float) -> None:
        reopen(job_id, end)  # the other's
        reopen(job_id, end)

    monkeypatch.setattr(bench.store, "reopen", reopened_twice)
    with pytest.raises(CannotRequeue) as refused:
        bench.service.requeue(request.id)
    assert refused.value.code == "job_not_finished"


def test_and_half_of_its_hours(bench: Bench) -> None:
    assert [bench.fill(owner, 4.0) for owner in "ab"] == [3, 2]
    assert bench.submit("c", 2.0)


def test_a_share_that_is_taken_is_said_to_be_yours(bench: Bench) -> None:
    bench.fill("a")
    with pytest.raises(QueueFull, match="8 jobs of yours wait, and others may want"):
        bench.submit("a")
    bench.redis.delete("rq:queue:batch")
    bench.fill("a", 4.0)
    with pytest.raises(QueueFull, match=r"12\.0 hours of your audio wait, and others may want"):
        bench.submit("a", 4.0)


def test_one_recording_of_an_owner_fits_however_long_it_is(bench: Bench) -> None:
    bench.fill("a", 1.0)
    assert bench.submit("b", 16.0)


def test_uploads_under_way_are_part_of_a_share(bench: Bench) -> None:
    bench.backlog.check("batch", "a", 8, 8)
    with pytest.raises(QueueFull, match="yours"):
        bench.backlog.check("batch", "a", 9, 9)
    bench.backlog.check("batch", "b", 9, 1)


def test_an_only_owner_has_all(tmp_path: Path) -> None:
    assert Bench(tmp_path, is_shared=False).fill("local") == 16


def test_a_clip_does_not_wait_behind_all_of_anothers(bench: Bench) -> None:
    for _ in range(5):
        bench.submit("a")
    for owner in "bbc":
        bench.submit(owner)
    assert bench.waiting() == "abcabaaa"


def test_turns_go_on_as_jobs_are_taken(bench: Bench) -> None:
    for owner in "aaaab":
        bench.submit(owner)
    assert bench.waiting() == "abaaa"
    for _ in range(2):
        bench.redis.lpop("rq:queue:batch")
    bench.submit("b")
    assert bench.waiting() == "abaa", "a second one of b does not go before the next of a"


def test_owners_are_known_again_after_a_restart(bench: Bench, tmp_path: Path) -> None:
    for _ in range(4):
        bench.submit("a")
    fresh = Bench(tmp_path)
    fresh.redis.rpush("rq:queue:batch", *bench.queue.waiting_ids("batch"))
    fresh.submit("b")
    assert fresh.waiting() == "abaaa"


def test_a_job_that_runs_again_takes_its_turn(bench: Bench) -> None:
    again = bench.submit("b")
    bench.redis.lpop("rq:queue:batch")
    bench.service.cancel(again.id)
    for _ in range(3):
        bench.submit("a")
    bench.service.requeue(again.id)
    assert bench.waiting() == "abaa"


def test_jobs_that_come_at_once_are_all_queued_and_once(bench: Bench) -> None:
    threads = [threading.Thread(target=bench.submit, args=(owner, 0.01)) for owner in "aaabbbccc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [set(bench.waiting()[start : start + 3]) for start in (0, 3, 6)] == [set("abc")] * 3
    assert len(set(bench.queue.waiting_ids("batch"))) == 9


@given(st.text("abc", max_size=20), st.sampled_from("abcd"))
def test_a_turn_is_after_all_earlier_rounds_and_before_all_later_ones(waiting: str, owner: str) -> None:
    place = turn(waiting, owner)
    mine = waiting.count(owner) + 1
    rounds = [waiting[: at + 1].count(name) for at, name in enumerate(waiting)]
    assert all(number > mine for number in rounds[place:])
    assert place == 0 or rounds[place - 1] <= mine


@given(st.integers(1, 100), st.lists(st.sampled_from("abcdef"), max_size=200))
def test_however_many_come_somebody_new_finds_a_place(most: int, owners: list[str]) -> None:
    held = dict.fromkeys("abcdef", 0)
    for owner in owners:
        if has_share(most - sum(held.values()), held[owner]):
            held[owner] += 1
    newcomers = [owner for owner, count in held.items() if not count]
    assert most < 64 or not newcomers or has_share(most - sum(held.values()), 0)
