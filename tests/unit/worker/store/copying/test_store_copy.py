"""A store that was copied says of every job what the first one says, whichever kind each of them is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from tests.unit.factories import make_request, make_transcript
from worker.store.copying.local_shelf import LocalShelf
from worker.store.copying.object_shelf import ObjectShelf
from worker.store.copying.shelf import Shelf
from worker.store.copying.store_copy import Copied, StoreCopy
from worker.store.idempotency import Claimed
from worker.store.job_store import JobStore, LocalStore
from worker.store.objects.bucket import Bucket
from worker.store.objects.object_store import ObjectStore
from worker.store.records import JobError, Outcome, Retry, Waveform

Open = tuple[Callable[[], JobStore], Callable[[], Shelf]]
COPIES = list(itertools.product(["directory", "objects"], repeat=2))


class Places:
    """Stores of both kinds, each opened anew."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._buckets: dict[str, Bucket] = {}
        self._machines = itertools.count()

    def bucket(self, name: str) -> Bucket:
        return self._buckets.setdefault(name, Bucket(MemoryStore()))

    def store(self, kind: str, name: str) -> JobStore:
        if kind == "directory":
            return LocalStore(self._root / name)
        return ObjectStore(self.bucket(name), self._root / f"machine{next(self._machines)}")

    def shelf(self, kind: str, name: str) -> Shelf:
        return LocalShelf(self._root / name) if kind == "directory" else ObjectShelf(self.bucket(name), name)

    def copy(self, kinds: tuple[str, str], source: str = "one", target: str = "two") -> Copied:
        return StoreCopy(self.shelf(kinds[0], source), self.shelf(kinds[1], target)).run()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def add(store: JobStore, audio: bytes = b"RIFF" * 1000, **changes: Any) -> str:
    upload = store.receive()
    upload.write(audio)
    for number in range(changes.pop("references", 0)):
        upload.add_reference(b"voice %d" % number)
    upload.commit(make_request(upload.id, size=upload.size, **changes))
    return upload.id


def fill(store: JobStore) -> list[str]:
    """One job in each state."""
    finished = add(store, references=2)
    store.save_waveform(finished, Waveform(2.5, (1, 2, 3)))
    store.save_transcript(finished, make_transcript())
    store.transcripts.entitle(finished, "Ein Gespräch")
    store.finish(finished, Outcome("finished", started_at=1.0, ended_at=2.0, duration=2.5))
    store.add_delivery(finished, b'{"n": 1}\n')
    store.add_delivery(finished, b'{"n": 2}\n')
    answered = add(store, kind="sync")
    store.finish(answered, Outcome("failed", error=JobError("empty_audio", "Nothing.")))
    store.drop_source(answered)
    store.mark_answered(answered)
    running = add(store)
    for lines in (b"plan\nwindow 1\n", b"plan\nwindow 2\nwindow 3\n"):
        log = store.begin_attempt(running)
        log.append(lines)
        log.end()
    store.begin_attempt(running).close()  # its worker died
    store.note_crash(running)
    store.put_aside(running, Retry(JobError("server_error", "Trouble."), 2, 10.0, 5.0))
    waiting = add(store, b"", url="https://example.com/a.mp3")
    claim = store.claims.hold("ann", "key")
    claim.write(Claimed(waiting, "fingerprint"))
    claim.release()
    return [finished, answered, running, waiting]


def said(store: JobStore, job_id: str) -> dict[str, Any]:
    """All that a store says of a job."""
    source = None
    if store.source_size(job_id) is not None:
        with store.local_source(job_id) as path:
            source = path.read_bytes()
    outcome = store.outcome(job_id)
    has_text = outcome is not None and outcome.state == "finished"
    return {
        "request": store.request(job_id),
        "source": source,
        "outcome": outcome,
        "transcript": store.transcript(job_id) if has_text else None,
        "title": store.transcripts.edits(job_id).title,
        "waveform": store.waveform(job_id),
        "retry": store.retry(job_id),
        "attempts": store.attempts(job_id),
        "deliveries": store.deliveries(job_id),
        "answered": store.answered_at(job_id) is not None,
    }


def known(store: JobStore, jobs: list[str]) -> list[dict[str, Any]]:
    return [said(store, job_id) for job_id in jobs]


@pytest.mark.parametrize("kinds", COPIES)
def test_a_copy_says_of_every_job_what_the_first_store_says(places: Places, kinds: tuple[str, str]) -> None:
    store = places.store(kinds[0], "one")
    jobs = fill(store)
    done = places.copy(kinds)
    assert (done.copied, done.were_there, done.claims, done.failed) == (4, 0, 1, {})
    copy = places.store(kinds[1], "two")
    assert list(copy.ids()) == list(store.ids())
    assert known(copy, jobs) == known(store, jobs)
    with copy.local_reference(jobs[0], 1) as path:
        assert path.read_bytes() == b"voice 1"
    assert copy.claims.read("ann", "key") == Claimed(jobs[3], "fingerprint")


@pytest.mark.parametrize("kinds", COPIES)
def test_a_second_copy_takes_what_has_changed_alone(places: Places, kinds: tuple[str, str]) -> None:
    store = places.store(kinds[0], "one")
    jobs = fill(store)
    places.copy(kinds)
    assert places.copy(kinds).were_there == 4
    store.finish(jobs[2], Outcome("canceled"))
    store.drop_checkpoints(jobs[2])
    store.transcripts.entitle(jobs[0], "Sein Gespräch")
    store.drop_source(jobs[0])
    done = places.copy(kinds)
    assert (done.copied, done.were_there, done.claims) == (2, 2, 0)
    copy = places.store(kinds[1], "two")
    assert known(copy, jobs) == known(store, jobs)
    assert copy.attempts(jobs[2]) == []
    assert copy.transcripts.edits(jobs[0]).title == "Sein Gespräch"


def test_a_copy_that_broke_off_goes_on(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its last record is there, a job is none."""
    store = places.store("directory", "one")
    jobs = fill(store)
    put, calls = Bucket.put, itertools.count()

    def failing(bucket: Bucket, key: str, data: bytes) -> None:
        if next(calls) == 5:
            raise OSError(5, "gone")
        put(bucket, key, data)

    monkeypatch.setattr(Bucket, "put", failing)
    with pytest.raises(OSError, match="gone"):
        places.copy(("directory", "objects"))
    monkeypatch.undo()
    assert len(list(places.shelf("objects", "two").ids())) < 4
    assert places.copy(("directory", "objects")).failed == {}
    assert known(places.store("objects", "two"), jobs) == known(store, jobs)


def test_a_recording_that_is_not_what_its_sum_says_is_named_and_the_others_are_copied(places: Places) -> None:
    store = places.store("objects", "one")
    good, bad = add(store), add(store)
    with store.local_source(bad) as path:
        places.bucket("one").upload(f"jobs/{bad}/source", path, "0" * 64)
    done = places.copy(("objects", "directory"))
    assert list(done.failed) == [bad]
    assert list(places.store("directory", "two").ids()) == [good]


def test_nothing_of_a_deleted_job_is_copied(places: Places) -> None:
    store = places.store("directory", "one")
    store.delete(add(store))
    assert places.copy(("directory", "objects")).copied == 0


def test_a_copy_that_was_broken_off_at_its_end_is_made_again(places: Places, tmp_path: Path) -> None:
    one = places.store("directory", "one")
    job_id = add(one)
    places.copy(("directory", "directory"))
    left = tmp_path / "two" / "incoming" / f"replaced-{job_id}"
    left.mkdir()
    (left / "source").touch()
    one.finish(job_id, Outcome("canceled"))
    assert places.copy(("directory", "directory")).copied == 1
    assert places.store("directory", "two").outcome(job_id) == one.outcome(job_id)
    assert not left.exists()
