"""Recordings come in whole, go out as local files for as long as they are read, and are gone when that is said."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.unit.factories import make_request
from tests.unit.worker.store.contract.conftest import Open
from tests.unit.worker.store.contract.test_jobs import add
from worker.store.incoming import PartTaken
from worker.store.job_store import JobStore
from worker.store.records import Outcome


def content(file: AbstractContextManager[Path]) -> bytes | None:
    try:
        with file as path:
            return path.read_bytes()
    except FileNotFoundError:
        return None


def test_a_recording_is_read_by_everyone(store: JobStore, open_again: Open) -> None:
    audio = bytes(range(256)) * 1000
    job_id = add(store, audio).id
    for each in (store, open_again()):
        assert each.source_size(job_id) == len(audio)
        assert content(each.local_source(job_id)) == audio


def test_a_recording_that_is_open_is_read_to_its_end(store: JobStore) -> None:
    job_id = add(store, b"x" * 10).id
    with store.local_source(job_id) as path:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    store.delete(job_id)
    assert file.read() == b"x" * 10
    file.close()


def test_a_dropped_recording_leaves_the_record(store: JobStore, open_again: Open) -> None:
    request = add(store)
    store.drop_source(request.id)
    store.drop_source(request.id)
    for each in (store, open_again()):
        assert each.source_size(request.id) is None
        assert content(each.local_source(request.id)) is None
        assert each.request(request.id) == request


def test_references_lie_beside_the_recording_and_go_with_it(store: JobStore, open_again: Open) -> None:
    upload = store.receive()
    upload.write(b"sound")
    alone = upload.digest
    assert alone == hashlib.sha256(b"sound").hexdigest()
    for reference in (b"anna", b"ben"):
        upload.add_reference(reference)
    assert upload.digest != alone
    upload.commit(make_request(upload.id))
    assert [content(open_again().local_reference(upload.id, number)) for number in (0, 1, 2)] == [b"anna", b"ben", None]
    store.drop_source(upload.id)
    assert content(store.local_reference(upload.id, 0)) is None
    assert store.has(upload.id)


def test_the_recording_of_one_job_is_anothers(store: JobStore, open_again: Open) -> None:
    first = add(store, b"sound")
    again = open_again().receive(first.id)
    assert again.size == 5
    assert again.digest != hashlib.sha256(b"sound").hexdigest()
    with again.read() as file:
        assert file.read() == b"sound"
    again.commit(make_request(again.id, size=5))
    store.delete(first.id)
    assert content(store.local_source(again.id)) == b"sound"
    with pytest.raises(FileNotFoundError):
        store.receive(first.id)


def test_a_recording_at_a_url_comes_later(store: JobStore, open_again: Open) -> None:
    upload = store.receive()
    upload.refer("https://example.org/a.wav")
    upload.commit(make_request(upload.id, url="https://example.org/a.wav", size=0))
    assert store.source_size(upload.id) is None
    with store.fetched_source(upload.id) as part:
        part.begin("v1")
        part.write(b"first ")
        with pytest.raises(PartTaken):
            store.fetched_source(upload.id).__enter__()
    with store.fetched_source(upload.id) as part:
        assert (part.size, part.validator) == (6, "v1")
        part.write(b"second")
        part.complete()
    assert store.source_size(upload.id) == 12
    assert content(open_again().local_source(upload.id)) == b"first second"


def test_nothing_is_fetched_for_a_job_that_is_gone(store: JobStore) -> None:
    job_id = add(store).id
    store.delete(job_id)
    with pytest.raises(FileNotFoundError):
        store.fetched_source(job_id).__enter__()


def test_a_copy_for_players_is_kept_until_the_job_runs_again(store: JobStore, open_again: Open) -> None:
    job_id = add(store).id
    assert store.playable_size(job_id) is None
    store.finish(job_id, Outcome("canceled"))
    store.playable_target(job_id).write_bytes(b"copy")
    store.keep_playable(job_id)
    for each in (store, open_again()):
        assert each.playable_size(job_id) == 4
        assert content(each.local_playable(job_id)) == b"copy"
    store.reopen(job_id)
    assert store.playable_size(job_id) is None
    assert content(store.local_source(job_id)) == b"RIFF"


def test_an_empty_copy_says_that_the_recording_plays_well(store: JobStore) -> None:
    job_id = add(store).id
    store.playable_target(job_id).touch()
    store.keep_playable(job_id)
    assert store.playable_size(job_id) == 0
    store.drop_source(job_id)
    assert store.playable_size(job_id) is None


def test_the_oldest_copies_make_room_for_new_ones(store: JobStore) -> None:
    jobs = [add(store).id for _ in range(2)]
    for job_id in jobs:
        store.playable_target(job_id).write_bytes(b"copy")
        store.keep_playable(job_id)
    store.bound_playables(8)
    assert [store.playable_size(job_id) for job_id in jobs] == [4, 4]
    store.bound_playables(4)
    assert [store.playable_size(job_id) for job_id in jobs] == [None, 4]
    assert store.source_size(jobs[0]) == 4
