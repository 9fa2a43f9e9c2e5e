"""Of jobs that have ended in a shared store its processes together ask once, and never leave one that is due."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from obstore.store import MemoryStore

import worker.maintenance.known_ends
import worker.maintenance.maintenance
from tests.unit.factories import make_request, make_transcript
from tests.unit.worker.maintenance.test_maintenance import SetByHand
from worker.maintenance.known_ends import KEY
from worker.maintenance.maintenance import KEEP_A_WEEK, KNOWN, NEXT, Maintenance
from worker.maintenance.retention_periods import RetentionPeriods
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.index.job_row import Ended
from worker.store.objects.bucket import Bucket
from worker.store.objects.object_store import ObjectStore
from worker.store.records import JobRequest, Outcome, Webhook
from worker.webhooks.outbox import Attempt, Outbox

DAY = 24 * 3600.0
MANY = 30
LISTS = 8  # requests of a pass for all jobs together


@dataclass
class Process:
    """Of a machine of its own."""

    store: ObjectStore
    maintenance: Maintenance

    def calls(self) -> int:
        """Of its pass."""
        before = self.store.bucket.calls
        self.maintenance.run_once()
        return self.store.bucket.calls - before


class Fleet:
    """Three processes on one Redis and one store, and a clock that is set by hand."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._memory = MemoryStore()
        self._started = 0
        self.redis = FakeRedis()
        self.redis.set(KNOWN, "1")
        self.clock = SetByHand()
        self.processes = [self.start() for _ in range(3)]
        self.store = self.processes[0].store

    def start(self, keep: RetentionPeriods = KEEP_A_WEEK) -> Process:
        """One more."""
        self._started += 1
        store = ObjectStore(Bucket(self._memory), self._root / str(self._started))
        queue = JobQueue(self.redis, clock=self.clock)
        return Process(store, Maintenance(store, queue, Events(self.redis), self.redis, keep, clock=self.clock))

    def ended(self, ago: float = 0.0, *, recording: bool = True, **changes: Any) -> JobRequest:
        upload = self.store.receive()
        upload.write(b"RIFF" if recording else b"")
        request = make_request(upload.id, created_at=time.time() - ago, **changes)
        upload.commit(request)
        self.store.save_transcript(request.id, make_transcript())
        self.store.finish(request.id, Outcome("finished", ended_at=time.time() - ago))
        return request

    def passes(self, *processes: Process, later: float = 0.0) -> list[int]:
        """One of each; returns how many requests each came to."""
        self.clock.passed += later
        found = []
        for process in processes or self.processes:
            self.redis.set(NEXT, self.clock.now() - 2 * Timing().maintenance)
            found.append(process.calls())
        return found

    def ids(self) -> list[str]:
        return list(self.store.ids())


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


@pytest.mark.fault(105)
def test_an_ended_job_is_looked_at_once_in_the_fleet(fleet: Fleet) -> None:
    for _ in range(MANY):
        fleet.ended()
    first, *others = fleet.passes()
    assert MANY <= first <= 3 * MANY + LISTS
    assert max(others) <= LISTS
    assert max(fleet.passes(fleet.start(), *fleet.processes)) <= LISTS
    assert len(fleet.ids()) == MANY


@pytest.mark.fault(105)
def test_clips_that_were_answered_are_not_looked_at_before_they_are_due(fleet: Fleet) -> None:
    for _ in range(MANY):
        clip = fleet.ended(kind="sync")
        fleet.store.drop_source(clip.id)
        fleet.store.mark_answered(clip.id)
    assert max(fleet.passes()) <= LISTS
    assert max(fleet.passes(later=Timing().answered - 10)) <= LISTS
    assert len(fleet.ids()) == MANY
    fleet.passes(fleet.processes[2], later=20)
    assert fleet.ids() == []


def test_what_is_due_goes_to_the_second_whoever_looked_before(fleet: Fleet) -> None:
    job, clip = fleet.ended(), fleet.ended(kind="sync")
    fleet.passes(fleet.processes[0])
    assert [fleet.store.source_size(one.id) for one in (job, clip)] == [4, None]
    fleet.passes(later=Timing().unanswered - 10)
    assert set(fleet.ids()) == {job.id, clip.id}
    fleet.passes(fleet.processes[1], later=20)
    assert fleet.ids() == [job.id]
    fleet.passes(later=6 * DAY - 20)
    assert fleet.ids() == [job.id]
    fleet.passes(fleet.processes[2], later=20)
    assert fleet.ids() == []


def test_the_clock_of_the_store_puts_nothing_off(fleet: Fleet) -> None:
    """It is an hour ahead of Redis'."""
    fleet.clock.passed = -3600.0
    clip, job = fleet.ended(3600.0, kind="sync"), fleet.ended(3600.0 + 7 * DAY)
    fleet.passes(fleet.processes[0])
    assert fleet.ids() == [clip.id]
    assert fleet.store.source_size(clip.id) is None
    assert job.id not in fleet.ids()


def test_a_clip_whose_client_comes_after_all_goes_soon(fleet: Fleet) -> None:
    """Though another process has found before that it stays for a day."""
    clip = fleet.ended(kind="sync")
    fleet.passes()
    fleet.processes[1].store.mark_answered(clip.id)
    fleet.passes(fleet.processes[0], later=Timing().answered - 10)
    assert fleet.ids() == [clip.id]
    fleet.passes(fleet.processes[0], later=20)
    assert fleet.ids() == []


@pytest.mark.parametrize("audio", [DAY, float("inf")])
def test_other_rules_hold_at_once_and_cost_no_look(fleet: Fleet, audio: float) -> None:
    young = fleet.ended(DAY / 2)
    fleet.ended(3 * DAY)
    fleet.passes()
    strict = fleet.start(RetentionPeriods(audio=audio, jobs=2 * DAY))
    [calls] = fleet.passes(strict)
    assert fleet.ids() == [young.id]
    assert fleet.store.source_size(young.id) == 4
    assert calls < 15 + LISTS
    fleet.passes(strict, later=DAY / 2 + 10)
    assert fleet.store.source_size(young.id) == (None if audio == DAY else 4)


def test_a_recording_goes_when_it_is_due(fleet: Fleet) -> None:
    job = fleet.ended()
    rules = RetentionPeriods(audio=DAY)
    first, second = fleet.start(rules), fleet.start(rules)
    fleet.passes(first)
    fleet.passes(second, later=DAY - 10)
    assert fleet.store.source_size(job.id) == 4
    fleet.passes(second, later=20)
    assert fleet.store.source_size(job.id) is None
    assert max(fleet.passes(first, second)) <= LISTS


@pytest.mark.fault(105)
def test_of_many_that_nobody_knows_some_are_looked_at_in_a_pass_and_first_those_that_are_due(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a process that starts with a Redis that has lost its contents."""
    monkeypatch.setattr(worker.maintenance.maintenance, "ENDED_AT_ONCE", 5)
    for _ in range(12):
        fleet.ended()
    young = {fleet.ended(-7 * DAY).id for _ in range(12)}
    fleet.clock.passed = 7 * DAY - 100
    for _ in range(5):
        assert fleet.passes(fleet.start())[0] <= 3 * 5 + LISTS
    assert len(fleet.ids()) == 24
    fleet.redis.delete(KEY)
    fleet.passes(fleet.start(), fleet.start(), fleet.start(), later=200)
    assert set(fleet.ids()) == young


def test_a_job_that_ended_anew_is_kept_by_its_new_end(fleet: Fleet) -> None:
    job = fleet.ended()
    fleet.passes()
    other = fleet.processes[1].store
    fleet.clock.passed += 6 * DAY
    other.reopen(job.id)
    assert max(fleet.passes()) <= 3 + LISTS
    other.finish(job.id, Outcome("finished", ended_at=fleet.clock.now()))
    fleet.passes(later=5 * DAY)
    assert fleet.ids() == [job.id]
    fleet.passes(later=2 * DAY)
    assert fleet.ids() == []


def test_a_job_stays_for_a_webhook_that_is_owed(fleet: Fleet) -> None:
    job = fleet.ended(webhook=Webhook("https://example.com/hook"))
    fleet.passes()
    Outbox(fleet.store).record(job.id, Attempt(time.time(), 0.1, 500, None, "pending", time.time() + 8 * DAY))
    fleet.passes(later=7 * DAY + 10)
    fleet.passes()  # the recording is gone
    assert fleet.ids() == [job.id]
    assert max(fleet.passes()) <= LISTS, "it is not asked for again at once"
    Outbox(fleet.store).record(job.id, Attempt(time.time(), 0.1, 200, None, "delivered"))
    fleet.passes(fleet.processes[2], later=Timing().reconcile)
    assert fleet.ids() == []


def test_a_webhook_that_is_asked_for_at_the_last_moment_is_not_dropped(fleet: Fleet) -> None:
    job = fleet.ended(webhook=Webhook("https://example.com/hook"))
    Outbox(fleet.store).record(job.id, Attempt(time.time(), 0.1, 200, None, "delivered"))
    fleet.passes()
    Outbox(fleet.processes[1].store, now=fleet.clock.now).again(job.id)
    fleet.passes(later=7 * DAY - 10)
    Outbox(fleet.processes[1].store, now=fleet.clock.now).again(job.id)
    fleet.passes(later=20)
    assert fleet.ids() == [job.id]


def test_what_runs_have_left_goes(fleet: Fleet) -> None:
    job = fleet.ended()
    fleet.passes()
    fleet.store.bucket.put(f"jobs/{job.id}/checkpoint.1.000001", b"late")
    fleet.passes(fleet.processes[2])
    assert {entry.name for entry in fleet.store.bucket.list(f"jobs/{job.id}/")} == {
        "job.json", "outcome.json", "source", "transcript.json"
    }  # fmt: skip


def test_what_is_known_of_jobs_that_are_gone_is_forgotten(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.maintenance.known_ends, "SLACK", 3)
    jobs = [fleet.ended() for _ in range(10)]
    fleet.passes()
    for job in jobs[1:]:
        fleet.processes[1].store.delete(job.id)
    fleet.passes()
    assert fleet.redis.hkeys(KEY) == [jobs[0].id.encode()]


@pytest.mark.parametrize("value", ["", "job", "job 1 2 3", "later 1.0 2.0", "job one 2.0", "\udcff"])
def test_what_another_version_wrote_is_read_anew(fleet: Fleet, value: str) -> None:
    job = fleet.ended()
    fleet.redis.hset(KEY, job.id, value.encode(errors="surrogateescape"))
    assert fleet.passes(fleet.processes[0])[0] > LISTS
    assert fleet.passes(fleet.processes[1])[0] <= LISTS


@pytest.mark.fault(67)
def test_a_record_that_stays_damaged_is_set_aside_there_too(fleet: Fleet) -> None:
    job, other = fleet.ended(), fleet.ended()
    fleet.store.bucket.put(f"jobs/{job.id}/job.json", b"{")
    process = fleet.start()
    fleet.passes(process)
    process.maintenance._damaged._since[job.id] -= Timing().damaged
    fleet.passes(process)
    assert fleet.ids() == [other.id]
    assert [entry.name for entry in fleet.store.bucket.list("broken/")][:1] == [f"{job.id}/job.json"]


def test_a_list_says_what_there_is_of_a_job_that_has_ended(fleet: Fleet) -> None:
    job, clip = fleet.ended(), fleet.ended(recording=False, kind="sync")
    fleet.store.mark_answered(clip.id)
    fleet.store.bucket.put(f"jobs/{job.id}/retry.json", b"{}")
    found = {seen.id: seen.ended for seen in fleet.store.catalog.due(0.0, 1)}
    written = {one.id: fleet.store.bucket.entry(f"jobs/{one.id}/outcome.json") for one in (job, clip)}
    at = {job_id: entry.changed_at for job_id, entry in written.items() if entry}
    assert found[job.id] == Ended(at[job.id], None, has_recording=True, has_left=True)
    assert found[clip.id] == Ended(at[clip.id], fleet.store.answered_at(clip.id))
