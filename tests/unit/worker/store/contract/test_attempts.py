"""Attempts are numbered, write for themselves alone, and end in good order or not."""

from __future__ import annotations

import pytest

from tests.unit.worker.store.contract.conftest import Open
from tests.unit.worker.store.contract.test_jobs import add, at_once
from worker.store.attempts import Attempt
from worker.store.job_store import JobNotFound, JobStore
from worker.store.objects.object_store import ObjectStore
from worker.store.records import Outcome


def test_of_attempts_at_the_same_moment_each_has_its_number(store: JobStore) -> None:
    job_id = add(store).id
    assert store.newest_attempt(job_id) == 0

    def begin(_: int) -> int:
        log = store.begin_attempt(job_id)
        log.close()
        return log.number

    assert sorted(map(str, at_once(4, begin))) == ["1", "2", "3", "4"]
    assert store.newest_attempt(job_id) == 4


def test_what_an_attempt_wrote_is_there_for_the_next_one(store: JobStore, open_again: Open) -> None:
    job_id = add(store).id
    log = store.begin_attempt(job_id)
    log.append(b"plan\n")
    log.append(b"one\ntwo\n")
    log.end()
    log.append(b"late\n")
    log.end()
    assert open_again().attempts(job_id) == [Attempt(1, True, b"plan\none\ntwo\n")]
    second = open_again().begin_attempt(job_id)
    second.close()
    assert second.number == 2


def test_an_attempt_that_has_not_ended_died_or_goes_on(store: JobStore, open_again: Open) -> None:
    job_id = add(store).id
    store.begin_attempt(job_id).close()
    assert [(each.number, each.has_ended, each.is_noted) for each in open_again().attempts(job_id)] == [
        (1, False, False)
    ]
    open_again().note_crash(job_id)
    assert [(each.number, each.has_ended, each.is_noted) for each in open_again().attempts(job_id)] == [
        (1, False, True)
    ]


def test_an_attempt_that_gave_up_writing_can_still_end(store: JobStore, open_again: Open) -> None:
    job_id = add(store).id
    log = store.begin_attempt(job_id)
    log.close()
    log.close()
    log.end()
    assert [each.has_ended for each in open_again().attempts(job_id)] == [True]


def test_of_an_ended_job_no_attempt_stays(store: JobStore, open_again: Open) -> None:
    job_id = add(store).id
    log = store.begin_attempt(job_id)
    log.append(b"plan\n")
    log.end()
    store.begin_attempt(job_id).close()
    store.note_crash(job_id)
    store.finish(job_id, Outcome("finished"))
    store.drop_checkpoints(job_id)
    assert store.attempts(job_id) == open_again().attempts(job_id) == []
    assert store.newest_attempt(job_id) == 0


def test_a_job_that_is_gone_has_no_attempts(store: JobStore) -> None:
    job_id = add(store).id
    log = store.begin_attempt(job_id)
    store.delete(job_id)
    with pytest.raises(JobNotFound):
        store.begin_attempt(job_id)
    log.end()
    store.note_crash(job_id)
    store.drop_checkpoints(job_id)
    assert store.attempts(job_id) == []


def test_what_a_run_wrote_after_its_job_was_deleted_elsewhere_goes(store: JobStore, open_again: Open) -> None:
    job_id, kept = add(store).id, add(store).id
    log = store.begin_attempt(job_id)
    log.append(b"{}\n")
    open_again().delete(job_id)
    log.end()
    store.finish(job_id, Outcome("finished"))
    for each in (job_id, kept, "../no-job"):
        store.drop_left(each)
    assert not store.has(job_id)
    assert store.has(kept)
    if isinstance(store, ObjectStore):
        assert list(store.bucket.list(f"jobs/{job_id}/")) == []
