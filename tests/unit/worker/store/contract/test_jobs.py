"""A job is there as a whole or not at all, has one outcome for ever, and is listed newest first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.factories import make_request, make_transcript
from tests.unit.worker.store.contract.conftest import Open
from worker.store.job_store import JobNotFound, JobStore
from worker.store.records import JobError, JobRequest, Outcome, Retry, Waveform, new_job_id

STRANGE = ["", ".", "..", "../incoming", "/etc", "job_1", "job_" + "0" * 27 + "/", "job_" + "0" * 28 + "\x00"]


def add(store: JobStore, audio: bytes = b"RIFF", **changes: Any) -> JobRequest:
    upload = store.receive()
    upload.write(audio)
    request = make_request(upload.id, size=upload.size, **changes)
    upload.commit(request)
    return request


def ended(store: JobStore, job_id: str) -> Outcome:
    outcome = store.outcome(job_id)
    assert outcome is not None
    return outcome


def at_once(count: int, work: Callable[[int], object]) -> list[object]:
    """What `work(number)` returned or raised on each of `count` threads let go together."""
    results: list[object] = [None] * count
    together = threading.Barrier(count)

    def run(number: int) -> None:
        together.wait(10)
        try:
            results[number] = work(number)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return results


def test_a_committed_upload_is_a_job_for_everyone(store: JobStore, open_again: Open) -> None:
    upload = store.receive()
    upload.write(b"first ")
    upload.write(b"second")
    assert upload.size == 12
    with upload.read() as file:
        assert file.read() == b"first second"
    request = make_request(upload.id, size=upload.size, filename="Ärger & Co.mp3")
    upload.commit(request)
    upload.discard()
    for each in (store, open_again()):
        assert each.request(upload.id) == request
        assert each.has(upload.id)
        assert each.outcome(upload.id) is None
        assert not each.is_over(upload.id)
        assert list(each.ids()) == [upload.id]


def test_an_upload_is_no_job_before_it_is_committed_and_leaves_nothing(store: JobStore) -> None:
    upload = store.receive()
    upload.write(b"half of")
    assert list(store.ids()) == []
    assert not store.has(upload.id)
    with pytest.raises(JobNotFound):
        store.request(upload.id)
    upload.discard()
    upload.discard()
    assert list(store.ids()) == []


def test_the_first_outcome_wins(store: JobStore, open_again: Open) -> None:
    job_id = add(store).id
    assert store.finish(job_id, Outcome("canceled"))
    assert not open_again().finish(job_id, Outcome("finished"))
    assert ended(store, job_id).state == ended(open_again(), job_id).state == "canceled"
    assert store.is_over(job_id)


def test_of_outcomes_at_the_same_moment_one_wins(store: JobStore) -> None:
    for _ in range(3):
        job_id = add(store).id
        wins = at_once(8, lambda number, job_id=job_id: store.finish(job_id, Outcome("failed", duration=number)))  # type: ignore[misc]
        assert sorted(map(bool, wins)) == [False] * 7 + [True]
        assert ended(store, job_id).duration == wins.index(True)


def test_a_job_that_runs_again_may_end_otherwise(store: JobStore) -> None:
    job_id = add(store).id
    with pytest.raises(JobNotFound):
        store.reopen(job_id)
    store.finish(job_id, Outcome("canceled"))
    store.reopen(job_id)
    assert store.outcome(job_id) is None
    assert not store.is_over(job_id)
    assert store.finish(job_id, Outcome("failed", error=JobError("server_error", "why")))
    assert ended(store, job_id).error == JobError("server_error", "why")


def test_a_deleted_job_is_gone_and_takes_nothing_more(store: JobStore) -> None:
    kept, gone = add(store), add(store)
    store.save_transcript(gone.id, make_transcript())
    store.delete(gone.id)
    assert list(store.ids()) == [kept.id]
    assert store.is_over(gone.id)
    assert not store.finish(gone.id, Outcome("finished"))
    for call in (store.delete, store.request, store.transcript, store.reopen):
        with pytest.raises(JobNotFound):
            call(gone.id)
    with pytest.raises(JobNotFound):
        store.put_aside(gone.id, Retry(JobError("a", "b"), 1, 0.0, 1.0))
    assert list(store.ids()) == [kept.id]


def test_of_two_that_delete_at_once_one_finds_nothing(store: JobStore) -> None:
    for _ in range(3):
        job_id = add(store).id
        results = at_once(4, lambda _, job_id=job_id: store.delete(job_id))  # type: ignore[misc]
        assert sorted(type(result).__name__ for result in results) == ["JobNotFound"] * 3 + ["NoneType"]


def test_jobs_are_listed_newest_first(store: JobStore) -> None:
    added = [add(store, created_at=0.0).id for _ in range(3)]
    assert list(store.ids()) == added[::-1]


@pytest.mark.parametrize("job_id", [*STRANGE, pytest.param(new_job_id(), id="one of nobody")])
def test_what_is_no_job_is_not_found(store: JobStore, job_id: str) -> None:
    for call in (store.request, store.transcript, store.delete):
        with pytest.raises(JobNotFound):
            call(job_id)
    assert not store.has(job_id)
    if job_id not in STRANGE:
        assert store.outcome(job_id) is None
        return
    for look in (store.source_size, store.drop_source, store.mark_answered, store.answered_at, store.playable_target):
        with pytest.raises(JobNotFound):
            look(job_id)


def test_what_a_job_comes_to_is_kept_whole(store: JobStore, open_again: Open) -> None:
    job_id = add(store).id
    assert store.waveform(job_id) is None
    assert store.retry(job_id) is None
    assert store.save_transcript(job_id, make_transcript(model="first")) == make_transcript(model="first")
    store.save_waveform(job_id, Waveform(1.0, (0, 255)))
    store.put_aside(job_id, Retry(JobError("a", "b"), 1, 2.0, 3.0))
    other = open_again()
    assert other.transcript(job_id) == make_transcript(model="first")
    assert other.waveform(job_id) == Waveform(1.0, (0, 255))
    assert other.retry(job_id) == Retry(JobError("a", "b"), 1, 2.0, 3.0)


def test_the_first_transcript_stays_until_the_job_runs_again(store: JobStore, open_again: Open) -> None:
    """A worker that comes late, in whatever moment, changes nothing of what another has told."""
    job_id, late = add(store).id, open_again()
    first = store.save_transcript(job_id, make_transcript(model="first"))
    assert late.save_transcript(job_id, make_transcript(model="late")) == first
    assert store.transcript(job_id) == first
    store.finish(job_id, Outcome("canceled"))
    store.reopen(job_id)
    assert late.save_transcript(job_id, make_transcript(model="again")).model == "again"
    assert store.transcript(job_id).model == "again"


def test_an_answer_is_remembered_with_its_time(store: JobStore) -> None:
    job_id = add(store).id
    assert store.answered_at(job_id) is None
    store.mark_answered(job_id)
    answered_at = store.answered_at(job_id)
    assert answered_at is not None
    assert abs(answered_at - time.time()) < 60
    store.delete(job_id)
    store.mark_answered(job_id)
    assert store.answered_at(job_id) is None


def test_deliveries_are_kept_in_order_whoever_writes_them(store: JobStore, open_again: Open) -> None:
    job_id = add(store).id
    assert store.deliveries(job_id) == b""
    store.add_delivery(job_id, b"first\n")
    open_again().add_delivery(job_id, b"second\n")
    assert store.deliveries(job_id) == b"first\nsecond\n"
    at_once(4, lambda number: store.add_delivery(job_id, b"%d\n" % number))
    assert sorted(store.deliveries(job_id).split()) == [b"0", b"1", b"2", b"3", b"first", b"second"]
    store.delete(job_id)
    with pytest.raises(JobNotFound):
        store.add_delivery(job_id, b"late\n")


def test_a_job_is_set_aside_with_all_it_has(store: JobStore) -> None:
    bad, good = add(store), add(store)
    store.save_transcript(bad.id, make_transcript())
    store.set_aside(bad.id)
    assert list(store.ids()) == [good.id]
    with pytest.raises(JobNotFound):
        store.request(bad.id)
    with pytest.raises(OSError, match=bad.id):
        store.set_aside(bad.id)


def test_lists_have_all_jobs_of_an_owner_by_their_state(store: JobStore) -> None:
    mine, other = add(store, owner="anna"), add(store, owner="ben")
    done = add(store, owner="anna")
    store.save_transcript(done.id, make_transcript())
    store.finish(done.id, Outcome("finished"))
    assert set(store.catalog.of_owner("anna")) == {mine.id, done.id}
    assert list(store.catalog.of_owner("anna", None, "finished")) == [done.id]
    assert {seen.id for seen in store.catalog.not_ended()} == {mine.id, other.id}
    found = store.search.found("anna", "hello", "job_~", lambda before: store.catalog.of_owner("anna", before))
    assert list(found) == [done.id]


def test_sweeping_takes_no_upload_that_comes_and_no_job(store: JobStore) -> None:
    job, upload = add(store), store.receive()
    upload.write(b"half")
    store.sweep_incoming(older_than=3600)
    upload.write(b" and half")
    upload.commit(make_request(upload.id))
    assert set(store.ids()) == {job.id, upload.id}
    assert store.free_bytes() > 0


def test_an_end_is_taken_back_by_who_has_seen_it_and_not_the_one_that_follows(
    store: JobStore, open_again: Open
) -> None:
    """Two may have it run again at once."""
    job_id, other = add(store).id, open_again()
    store.finish(job_id, Outcome("failed", ended_at=1.5))
    store.reopen(job_id, 1.5)
    store.save_transcript(job_id, make_transcript())
    with pytest.raises(JobNotFound):
        other.reopen(job_id, 1.5)
    store.finish(job_id, Outcome("canceled", ended_at=2.5))
    with pytest.raises(JobNotFound):
        other.reopen(job_id, 1.5)
    assert ended(store, job_id).state == "canceled"
    assert store.transcript(job_id) == make_transcript()
    other.reopen(job_id, 2.5)
    assert store.outcome(job_id) is None


def test_of_those_who_take_an_end_back_at_once_one_does(store: JobStore, open_again: Open) -> None:
    """And the end that the job has then is not taken back by the others."""
    stores = [open_again() for _ in range(6)]
    for _ in range(3):
        job_id = add(store).id
        store.finish(job_id, Outcome("failed", ended_at=1.5))

        def again(number: int, job_id: str = job_id) -> bool:
            try:
                stores[number].reopen(job_id, 1.5)
            except JobNotFound:
                return False
            return stores[number].finish(job_id, Outcome("canceled", ended_at=2.5 + number))

        found = at_once(6, again)
        assert sorted(map(str, found)) == ["False"] * 5 + ["True"]
        assert ended(store, job_id).ended_at == 2.5 + found.index(True)
