"""What people make of a transcript: kept beside it, whole or not there, and never over what another has just made."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from engines.transcript import Segment, Speaker
from tests.unit.factories import make_request, make_transcript
from worker.runtime.file_lock import try_lock
from worker.store.edits import edits as edits_module
from worker.store.edits.alignment import aligned
from worker.store.edits.edits import EDITS, Edits, EditsTooLarge, SegmentChange
from worker.store.edits.transcripts import TranscriptChanged
from worker.store.errors import TranscriptBusy
from worker.store.job_store import JobNotFound, LocalStore
from worker.store.local import record_files
from worker.store.records import new_job_id

TEXT = frozenset({"text"})
SPEAKER = frozenset({"speaker"})


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "data")


@pytest.fixture
def job_id(store: LocalStore) -> str:
    """A job with a transcript of two segments: " Hello there." and " Bye."."""
    upload = store.receive()
    upload.write(b"RIFF")
    upload.commit(make_request(upload.id))
    whole = make_transcript(speakers=(Speaker("A", 1.0), Speaker("B", 0.5)))
    said = tuple(replace(each, speaker="A") for each in whole.segments)
    store.save_transcript(upload.id, replace(whole, segments=said))
    return upload.id


def text(number: int, text: str | None) -> SegmentChange:
    return SegmentChange(number, text, sets=TEXT)


def test_the_machines_transcript_stays_as_it_was(store: LocalStore, job_id: str) -> None:
    path = store.source(job_id).parent / "transcript.json"
    before = path.read_bytes()
    edits, transcript = store.transcripts.change(job_id, 0, [text(0, "Hallo there.")])
    assert edits.revision == 1
    assert transcript.text == "Hallo there. Bye."
    assert store.transcript(job_id) == transcript
    assert store.transcripts.original(job_id).text == "Hello there. Bye."
    assert path.read_bytes() == before


def test_what_was_not_changed_is_taken_from_the_machine(store: LocalStore, job_id: str) -> None:
    store.transcripts.change(job_id, 0, [text(0, "Hallo")])
    assert store.transcript(job_id).segments[1] == store.transcripts.original(job_id).segments[1]


def test_an_edit_is_taken_back(store: LocalStore, job_id: str) -> None:
    original = store.transcript(job_id)
    for back in (None, "Hello there."):
        store.transcripts.change(job_id, None, [text(0, "Hallo")])
        edits, transcript = store.transcripts.change(job_id, None, [text(0, back)])
        assert (edits.segments, transcript) == ({}, original)
    assert store.transcripts.edits(job_id).revision == 4


def test_of_many_changes_of_a_segment_the_last_is_aligned(
    store: LocalStore, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def noted(segment: Segment, text: str) -> Segment:
        seen.append(text)
        return aligned(segment, text)

    monkeypatch.setattr("worker.store.edits.edits.aligned", noted)
    changes = [text(0, "One"), SegmentChange(0, speaker="B", sets=SPEAKER), text(1, "Two"), text(0, "Three")]
    _, transcript = store.transcripts.change(job_id, 0, changes)
    assert [(each.text, each.speaker) for each in transcript.segments] == [(" Three", "B"), (" Two", "A")]
    assert sorted(seen) == ["Three", "Two"]


def test_text_and_speaker_are_changed_apart(store: LocalStore, job_id: str) -> None:
    store.transcripts.change(job_id, 0, [SegmentChange(0, speaker="B", sets=SPEAKER)])
    _, transcript = store.transcripts.change(job_id, 1, [text(0, "Hallo")])
    said = transcript.segments[0]
    assert (said.text, said.speaker, {word.speaker for word in said.words}) == (" Hallo", "B", {"B"})
    _, transcript = store.transcripts.change(job_id, 2, [SegmentChange(0, speaker=None, sets=SPEAKER)])
    assert (transcript.segments[0].text, transcript.segments[0].speaker) == (" Hallo", "A")


def test_names_are_those_of_whoever_speaks_now(store: LocalStore, job_id: str) -> None:
    store.transcripts.name_speakers(job_id, {"A": "Anna", "B": "Ben"})
    store.transcripts.change(job_id, 0, [SegmentChange(1, speaker="B", sets=SPEAKER)])
    assert [each.speaker for each in store.transcript(job_id).segments] == ["Anna", "Ben"]


def test_whoever_comes_late_is_told_and_changes_nothing(store: LocalStore, job_id: str) -> None:
    store.transcripts.change(job_id, 0, [text(0, "Hallo")])
    with pytest.raises(TranscriptChanged) as late:
        store.transcripts.change(job_id, 0, [text(0, "Hullo"), text(1, "Tschüss.")])
    assert late.value.revision == 1
    assert store.transcript(job_id).text == "Hallo Bye."


def test_all_changes_are_made_or_none(store: LocalStore, job_id: str) -> None:
    with pytest.raises(KeyError):
        store.transcripts.change(job_id, 0, [text(0, "Hallo"), text(7, "nobody")])
    assert store.transcripts.edits(job_id) == Edits()


def test_a_title_is_no_revision(store: LocalStore, job_id: str) -> None:
    store.transcripts.entitle(job_id, "Weekly")
    store.transcripts.change(job_id, 0, [text(0, "Hallo")])
    assert store.transcripts.edits(job_id).title == "Weekly"
    store.transcripts.entitle(job_id, None)
    assert (store.transcripts.edits(job_id).title, store.transcripts.edits(job_id).revision) == (None, 1)


def test_of_many_at_once_each_gets_a_revision(store: LocalStore, job_id: str, tmp_path: Path) -> None:
    """Each with a store of its own, as processes have."""
    had: list[int] = []

    def change(number: int) -> None:
        edits, _ = LocalStore(tmp_path / "data").transcripts.change(job_id, None, [text(number % 2, f"by {number}")])
        had.append(edits.revision)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(had) == list(range(1, 9))


def test_a_crash_leaves_what_there_was(store: LocalStore, job_id: str) -> None:
    """A process that was killed as it wrote leaves a file that nobody reads."""
    store.transcripts.change(job_id, 0, [text(0, "Hallo")])
    torn = store.source(job_id).parent / "edits.7.7.tmp"
    torn.write_bytes(b'{"revision": 2, "segm')
    assert store.transcript(job_id).text == "Hallo Bye."
    store.drop_checkpoints(job_id)
    assert not torn.exists()


def test_a_job_that_is_gone_is_not_found(store: LocalStore, job_id: str) -> None:
    store.delete(job_id)
    with pytest.raises(JobNotFound):
        store.transcripts.change(job_id, 0, [text(0, "Hallo")])
    for gone in (job_id, new_job_id()):
        with pytest.raises(JobNotFound):
            store.transcripts.entitle(gone, "Weekly")


def test_a_later_versions_edits_are_read_as_far_as_they_are_known(store: LocalStore, job_id: str) -> None:
    store.transcripts.change(job_id, 0, [text(0, "Hallo")])
    path = store.source(job_id).parent / "edits.json"
    record = json.loads(path.read_bytes())
    assert record["format"] == 1
    record["of_later"] = record["segments"]["0"]["of_later"] = {"a": [1]}
    path.write_text(json.dumps(record))
    assert store.transcripts.edits(job_id) == EDITS.read(record)
    assert store.transcript(job_id).text == "Hallo Bye."


def test_corrections_have_a_size_that_no_talk_has(
    store: LocalStore, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edits_module, "MAX_BYTES", 10_000)
    store.transcripts.change(job_id, None, [text(0, "word " * 100)])
    with pytest.raises(EditsTooLarge):
        store.transcripts.change(job_id, None, [text(1, "word " * 100)])
    edits, _ = store.transcripts.change(job_id, None, [text(0, "less"), text(1, "word " * 50)])
    assert edits.revision == 2
    monkeypatch.setattr(edits_module, "MAX_BYTES", 10)  # as an earlier version let it grow
    assert store.transcripts.change(job_id, None, [text(1, "word")])[0].revision == 3


def test_whoever_changes_it_all_the_time_keeps_others_waiting_for_a_while_only(
    store: LocalStore, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_files, "PATIENCE", 0.0)
    with open(store.source(job_id).parent / record_files.LOCK, "wb") as file:
        assert try_lock(file.fileno())
        with pytest.raises(TranscriptBusy, match="in a moment"):
            store.transcripts.change(job_id, None, [text(0, "Hallo")])


def test_who_is_given_a_segment_has_its_seconds_and_may_be_new(store: LocalStore, job_id: str) -> None:
    known = (Speaker("A", 1.0), Speaker("B", 0.5))
    spoken = store.transcripts.original(job_id).segments[1]
    seconds = spoken.end - spoken.start
    edits, _ = store.transcripts.change(job_id, None, [SegmentChange(1, speaker="C", sets=SPEAKER)])
    speakers = edits.speakers(known, {"C": "Carl"})
    assert [(each.label, each.name, each.seconds) for each in speakers] == [
        ("A", "", 1.0 - seconds), ("B", "", 0.5), ("C", "Carl", seconds),
    ]  # fmt: skip
    edits, _ = store.transcripts.change(job_id, None, [SegmentChange(1, speaker=None, sets=SPEAKER)])
    assert edits.speakers(known, {}) == known
