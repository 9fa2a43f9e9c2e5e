"""What has ended is kept as long as the settings say, and nothing that is needed goes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from pydantic import ValidationError

from tests.unit.api_service import worker_settings
from tests.unit.factories import make_request, make_transcript
from worker.maintenance.maintenance import Maintenance
from worker.maintenance.retention import Retention
from worker.maintenance.retention_periods import RetentionPeriods, seconds_of
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.idempotency import Claimed
from worker.store.job_store import LocalStore
from worker.store.records import JobRequest, Outcome, Webhook
from worker.webhooks.outbox import Attempt, Outbox

DAY = 24 * 3600.0


class Attic:
    """A store with ended jobs, and a janitor with settings."""

    def __init__(self, root: Path) -> None:
        self.store = LocalStore(root)
        self.redis = FakeRedis()
        self.queue, self.events = JobQueue(self.redis), Events(self.redis)

    def ended(self, age: float = 0.0, **changes: Any) -> JobRequest:
        """A finished job that ended so many seconds ago."""
        upload = self.store.receive()
        upload.write(b"RIFF")
        request = make_request(upload.id, created_at=time.time() - age - 5, **changes)
        upload.commit(request)
        self.store.save_transcript(request.id, make_transcript())
        self.store.finish(request.id, Outcome("finished", ended_at=time.time() - age))
        return request

    def clean(self, audio: str = "7d", jobs: str = "7d") -> None:
        keep = worker_settings(keep_audio=audio, keep_jobs=jobs).keep
        Maintenance(self.store, self.queue, self.events, self.redis, keep).run_once()


@pytest.fixture
def attic(tmp_path: Path) -> Attic:
    attic = Attic(tmp_path)
    attic.redis.set("whisper:known", "1")
    return attic


@pytest.mark.parametrize(
    ("period", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("30s", 30),
        ("1.5h", 5400),
        ("10m", 600),
        ("12 h", 43200),
        ("7d", 7 * DAY),
        ("2w", 14 * DAY),
    ],
)
def test_periods(period: str, seconds: float) -> None:
    assert seconds_of(period) == seconds
    assert worker_settings(keep_audio=period).keep.audio == seconds


@pytest.mark.parametrize("period", ["", "d", "7 days", "-1d", "1e3", "1h30m", "never"])
def test_other_periods_are_no_settings(period: str) -> None:
    with pytest.raises(ValidationError):
        worker_settings(keep_jobs=period)


def test_a_job_is_kept_a_week_by_default(attic: Attic) -> None:
    young, old = attic.ended(6.9 * DAY), attic.ended(7.1 * DAY)
    attic.clean()
    assert attic.store.source(young.id).exists()
    assert not attic.store.has(old.id)


def test_what_attempts_left_in_a_job_canceled_between_them_goes(attic: Attic) -> None:
    request = attic.ended()
    attempt = attic.store.begin_attempt(request.id)
    attempt.append(b"what was said\n")
    attempt.end()
    attic.clean()
    assert attic.store.attempts(request.id) == []
    assert attic.store.has(request.id)


def test_audio_may_go_before_its_transcript(attic: Attic) -> None:
    request = attic.ended(2 * DAY)
    attic.clean(audio="1d", jobs="forever")
    assert not attic.store.source(request.id).exists()
    assert attic.store.transcript(request.id) == make_transcript()


def test_audio_never_outlives_its_job(attic: Attic) -> None:
    request = attic.ended(2 * DAY)
    attic.clean(audio="forever", jobs="1d")
    assert not attic.store.has(request.id)


def test_forever_is_forever(attic: Attic) -> None:
    request = attic.ended(5000 * DAY)
    attic.clean("forever", "forever")
    assert attic.store.source(request.id).exists()


def test_a_job_that_has_not_ended_is_never_removed(attic: Attic) -> None:
    upload = attic.store.receive()
    upload.write(b"RIFF")
    upload.commit(make_request(upload.id, created_at=time.time() - 100 * DAY))
    attic.clean("0", "0")
    assert attic.store.source(upload.id).exists()


def test_the_age_counts_from_the_end(attic: Attic) -> None:
    """A job that waited for a week and ended a minute ago is new."""
    request = attic.ended(60)
    attic.clean("1h", "1h")
    assert attic.store.source(request.id).exists()


def test_nothing_of_a_removed_job_is_left(attic: Attic) -> None:
    request = attic.ended(8 * DAY)
    claim = attic.store.claims.hold("key", "anna", "1")
    claim.write(Claimed(request.id, "abc"))
    claim.release()
    attic.events.state(request.id, "finished")
    attic.clean()
    assert [path for path in attic.store.root.rglob("*") if path.is_file()] == []
    assert attic.redis.keys("*" + request.id) == []


@pytest.mark.parametrize(("answered", "kept"), [(True, Timing().answered), (False, Timing().unanswered)])
def test_waiting_clients_jobs_have_their_own_times(attic: Attic, answered: bool, kept: float) -> None:
    retention = Retention(attic.store, attic.queue, attic.events, RetentionPeriods())
    request = attic.ended(kind="sync")
    if answered:
        attic.store.mark_answered(request.id)
    outcome = attic.store.outcome(request.id)
    assert outcome is not None
    retention.look_after(request, outcome, time.time() + kept - 10)
    assert (attic.store.has(request.id), attic.store.source(request.id).exists()) == (True, False)
    retention.look_after(request, outcome, time.time() + kept + 10)
    assert not attic.store.has(request.id)


def test_a_job_deleted_meanwhile_is_no_trouble(attic: Attic) -> None:
    request = attic.ended(8 * DAY)
    outcome = attic.store.outcome(request.id)
    assert outcome is not None
    attic.store.delete(request.id)
    Retention(attic.store, attic.queue, attic.events, RetentionPeriods()).look_after(request, outcome, time.time())


def test_who_reads_the_recording_reads_it_to_its_end(attic: Attic) -> None:
    request = attic.ended(8 * DAY)
    with open(attic.store.source(request.id), "rb") as file:
        attic.clean()
        assert not attic.store.has(request.id)
        assert file.read() == b"RIFF"


def test_a_job_stays_until_its_receiver_was_told(attic: Attic) -> None:
    request = attic.ended(8 * DAY, webhook=Webhook("http://receiver.example/"))
    outcome = attic.store.outcome(request.id)
    assert outcome is not None
    retention, outbox = Retention(attic.store, attic.queue, attic.events, RetentionPeriods()), Outbox(attic.store)
    for state, next_at in (("pending", time.time() + 60), ("pending", time.time() - 60)):
        outbox.record(request.id, Attempt(time.time(), 0.1, 503, None, state, next_at))  # type: ignore[arg-type]
        retention.look_after(request, outcome, time.time())
        assert attic.store.has(request.id)
    outbox.record(request.id, Attempt(time.time(), 0.1, 200, None, "delivered", None))
    retention.look_after(request, outcome, time.time())
    assert not attic.store.has(request.id)


def test_a_call_back_nobody_makes_keeps_no_job_for_ever(attic: Attic) -> None:
    request = attic.ended(webhook=Webhook("http://receiver.example/"))
    outcome = attic.store.outcome(request.id)
    assert outcome is not None
    retention = Retention(attic.store, attic.queue, attic.events, RetentionPeriods(0, 0))
    retention.look_after(request, outcome, time.time() + Timing().overdue - 60)
    assert attic.store.has(request.id)
    retention.look_after(request, outcome, time.time() + Timing().overdue + 60)
    assert not attic.store.has(request.id)
