"""The store is the truth: whole or not there, one outcome for ever, and no name from outside reaches a path."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.unit.factories import make_request, make_transcript
from worker.store.idempotency import Claimed
from worker.store.job_store import JobNotFound, LocalStore, RecordBroken
from worker.store.local.upload import JUST_BEGUN
from worker.store.records import JOB, JobError, JobRequest, Outcome, Retry, new_job_id


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "data")


def add(store: LocalStore, audio: bytes = b"RIFF", **changes: Any) -> JobRequest:
    upload = store.receive()
    upload.write(audio)
    request = make_request(upload.id, size=upload.size, **changes)
    upload.commit(request)
    return request


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_discarded_upload_leaves_nothing(store: LocalStore) -> None:
    upload = store.receive()
    upload.write(b"half of")
    upload.discard()
    upload.discard()
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_everything_is_synced_before_the_job_appears(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order: the audio, the request, their directory, the rename, the directory of all jobs."""
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def watched_fsync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        steps.append(path.name)
        assert path.is_dir() or path.stat().st_size > 0
        fsync(descriptor)

    def watched_rename(source: Path, target: Path) -> None:
        steps.append("rename")
        rename(source, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not tell which file a descriptor belongs to")
    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "rename", watched_rename)
    request = add(store)
    assert steps == ["source", "job.json", request.id, "rename", "jobs"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_nobody_else_may_read_what_was_said(store: LocalStore) -> None:
    request = add(store)
    store.save_transcript(request.id, make_transcript())
    store.finish(request.id, Outcome("finished"))
    directory = store.source(request.id).parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


def test_the_first_outcome_wins(store: LocalStore) -> None:
    job_id = add(store).id
    assert store.finish(job_id, Outcome("canceled"))
    assert not store.finish(job_id, Outcome("finished"))
    outcome = store.outcome(job_id)
    assert outcome is not None
    assert outcome.state == "canceled"
    assert names(store.source(job_id).parent) == ["job.json", "outcome.json", "source"]


def test_a_file_system_without_hard_links_will_do(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As exFAT is, and some network drives."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    job_id = add(store).id
    assert store.finish(job_id, Outcome("finished"))
    assert not store.finish(job_id, Outcome("canceled"))
    outcome = store.outcome(job_id)
    assert outcome is not None
    assert outcome.state == "finished"


def test_a_full_disk_is_no_lost_race(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", link)
    job_id = add(store).id
    with pytest.raises(OSError, match="No space left"):
        store.finish(job_id, Outcome("finished"))
    assert names(store.source(job_id).parent) == ["job.json", "source"]


def test_a_cancel_is_not_lost_to_whoever_tidies_up_at_that_moment(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker does that has just fetched the job's recording."""
    job_id, link = add(store).id, os.link

    def swept(aside: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        store.drop_checkpoints(job_id)
        link(aside, target)

    monkeypatch.setattr(os, "link", swept)
    assert store.finish(job_id, Outcome("canceled"))
    assert store.outcome(job_id)
    assert names(store.source(job_id).parent) == ["job.json", "outcome.json", "source"]


def test_what_a_full_disk_does_not_take_leaves_nothing_behind(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = add(store).id
    store.save_transcript(job_id, make_transcript())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for write in (
        lambda: store.transcripts.entitle(job_id, "A title"),
        lambda: store.put_aside(job_id, Retry(JobError("storage_full", "No room."), 1, 0.0, 1.0)),
        lambda: store.finish(job_id, Outcome("finished")),
    ):
        with pytest.raises(OSError, match="No space left"):
            write()
    assert names(store.source(job_id).parent) == ["edits.lock", "job.json", "source", "transcript.json"]


def test_a_line_that_does_not_fit_as_a_whole_is_not_written(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is all but full takes a part of it, and says so by the number of bytes alone."""
    job_id, write = add(store).id, os.write
    room = [10]

    def some(descriptor: int, content: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room[0] -= (written := write(descriptor, content[: room[0]]))
        return written

    monkeypatch.setattr(os, "write", some)
    with pytest.raises(OSError, match="No space left"):
        store.add_delivery(job_id, b"\na line of twenty bytes\n")
    room[0] = 10
    claim = store.claims.hold("key")
    with pytest.raises(OSError, match="No space left"):
        claim.write(Claimed(job_id, "abc"))
    claim.release()


def test_an_outcome_is_never_seen_half_written(store: LocalStore) -> None:
    job_id = add(store).id
    seen: list[Outcome] = []

    def read() -> None:
        while not seen:
            if outcome := store.outcome(job_id):
                seen.append(outcome)

    reader = threading.Thread(target=read)
    reader.start()
    error = JobError("server_error", "x" * 1_000_000)
    store.finish(job_id, Outcome("failed", error=error))
    reader.join(10)
    assert seen[0].error == error


def test_a_transcript_is_stored_whole(store: LocalStore) -> None:
    job_id = add(store).id
    store.save_transcript(job_id, make_transcript(model="new"))
    (store.source(job_id).parent / "transcript.json").write_text("{")  # as a disk left it
    store.save_transcript(job_id, make_transcript(model="new"))
    assert store.transcript(job_id) == make_transcript(model="new")
    assert names(store.source(job_id).parent) == ["job.json", "source", "transcript.json"]


def test_a_deleted_job_is_gone_with_all_its_files(store: LocalStore) -> None:
    kept, gone = add(store), add(store)
    store.delete(gone.id)
    assert list(store.ids()) == [kept.id]
    assert not any(gone.id in str(path) for path in store.root.rglob("*"))
    with pytest.raises(JobNotFound):
        store.delete(gone.id)


def test_jobs_are_listed_newest_first(store: LocalStore) -> None:
    added = [add(store, created_at=0.0).id for _ in range(5)]
    (store.root / "jobs" / ".DS_Store").touch()
    (store.root / "jobs" / "job_of_mine").mkdir()
    assert list(store.ids()) == added[::-1]


def test_uploads_cut_off_are_swept_once_they_stand_still(store: LocalStore) -> None:
    old, young = store.receive(), store.receive()
    incoming = store.root / "incoming"
    for path in (incoming / old.id / "source", incoming / old.id):
        os.utime(path, (time.time() - 7200,) * 2)
    store.sweep_incoming(older_than=3600)
    assert names(incoming) == [young.id]
    for upload in (old, young):
        upload.discard()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not say who has a file open")
@pytest.mark.fault(15)
def test_an_upload_whose_process_is_gone_is_swept_at_once_and_no_other(store: LocalStore) -> None:
    orphan, alive, committed = store.receive(), store.receive(), store.receive()
    orphan._file.close()  # as the kernel does with the files of a dead process
    incoming = store.root / "incoming"
    for upload in (orphan, alive, committed):
        os.utime(incoming / upload.id / "source", (time.time() - JUST_BEGUN - 1,) * 2)
        os.utime(incoming / upload.id, (time.time() - JUST_BEGUN - 1,) * 2)
    committed.commit(make_request(committed.id))
    store.sweep_incoming(older_than=3600)
    assert names(incoming) == [alive.id]
    assert store.source(committed.id).exists()
    alive.discard()


def test_of_an_ended_job_nothing_half_written_stays(store: LocalStore) -> None:
    request = add(store)
    store.save_transcript(request.id, make_transcript())
    store.finish(request.id, Outcome("finished"))
    directory = store.source(request.id).parent
    for name in ("checkpoint.1.jsonl", "checkpoint.2.ended.jsonl", "transcript.7.7.tmp", "outcome.7.7.tmp"):
        (directory / name).touch()
    store.drop_checkpoints(request.id)
    assert names(directory) == ["job.json", "outcome.json", "source", "transcript.json"]


def test_an_old_upload_that_still_grows_is_kept(store: LocalStore) -> None:
    upload = store.receive()
    os.utime(store.root / "incoming" / upload.id, (time.time() - 7200,) * 2)
    upload.write(b"x" * 1_000_000)
    store.sweep_incoming(older_than=3600)
    upload.commit(make_request(upload.id))
    assert store.source(upload.id).stat().st_size == 1_000_000


@pytest.mark.parametrize("ahead", [7200, -7200])
def test_a_machine_whose_clock_is_wrong_sweeps_no_upload_that_another_takes(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """A data directory that machines share has the clock of the one where it lies."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + ahead)
    old, young = store.receive(), store.receive()
    for path in (store.root / "incoming" / old.id / "source", store.root / "incoming" / old.id):
        os.utime(path, (right() - 7200,) * 2)
    store.sweep_incoming(older_than=3600)
    assert names(store.root / "incoming") == [young.id]
    for upload in (old, young):
        upload.discard()


def test_a_recording_that_is_used_again_is_not_swept_for_its_age(store: LocalStore) -> None:
    """The two jobs share the file, and its time."""
    job_id = add(store).id
    os.utime(store.source(job_id), (time.time() - 7200,) * 2)
    upload = store.receive(job_id)
    store.sweep_incoming(older_than=3600)
    upload.commit(make_request(upload.id))
    assert store.source(upload.id).read_bytes() == b"RIFF"


def test_what_a_crash_left_of_a_deletion_is_swept(store: LocalStore) -> None:
    job_id = add(store).id
    doomed = store.root / "incoming" / f"deleted-{job_id}-1"
    os.rename(store.source(job_id).parent, doomed)
    for path in (*doomed.iterdir(), doomed):
        os.utime(path, (time.time() - 7200,) * 2)
    store.sweep_incoming(older_than=3600)
    assert names(store.root / "incoming") == []


def test_sweeping_does_not_mind_uploads_that_come_and_go(store: LocalStore) -> None:
    (store.root / "incoming" / ".DS_Store").touch()
    stop = threading.Event()

    def upload() -> None:
        while not stop.is_set():
            add(store)
            store.receive().discard()

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        for _ in range(100):
            store.sweep_incoming(older_than=3600)
    finally:
        stop.set()
        thread.join(10)


def test_what_lies_on_the_disk_is_plain_json(store: LocalStore) -> None:
    request = add(store, filename="Grüße.mp3")
    data = json.loads((store.root / "jobs" / request.id / "job.json").read_text(encoding="utf-8"))
    assert data["filename"] == "Grüße.mp3"
    assert data["options"]["words"] is True


@pytest.mark.fault(67)
@pytest.mark.parametrize("name", ["job.json", "outcome.json", "transcript.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"id": 3}'])
def test_a_damaged_record_is_told_and_left_where_it_is(store: LocalStore, name: str, content: bytes) -> None:
    bad, good = add(store), add(store)
    for request in (bad, good):
        store.save_transcript(request.id, make_transcript())
        store.finish(request.id, Outcome("finished"))
    (store.source(bad.id).parent / name).write_bytes(content)
    for _ in range(2):
        with pytest.raises(
            RecordBroken, match=rf"{bad.id}.* cannot be read: {name} is damaged.* Send the recording again"
        ):
            read_all(store, bad.id)
    assert set(store.ids()) == {bad.id, good.id}
    assert names(store.source(bad.id).parent) == ["job.json", "outcome.json", "source", "transcript.json"]
    read_all(store, good.id)


def test_a_job_is_set_aside_with_all_it_has(store: LocalStore) -> None:
    bad, good = add(store), add(store)
    store.save_transcript(bad.id, make_transcript())
    store.set_aside(bad.id)
    assert list(store.ids()) == [good.id]
    with pytest.raises(JobNotFound):
        store.request(bad.id)
    assert names(store.root / "broken" / bad.id) == ["job.json", "source", "transcript.json"]
    with pytest.raises(OSError, match=bad.id):
        store.set_aside(bad.id)


@pytest.mark.fault(67)
def test_a_record_that_only_a_newer_version_reads_is_said_to_be_its(store: LocalStore) -> None:
    job_id = add(store).id
    (store.source(job_id).parent / "outcome.json").write_text('{"format": 3, "ending": "expired"}')
    with pytest.raises(
        RecordBroken, match=r"outcome.json has format 3, which a newer version wrote.* Upgrade"
    ) as raised:
        store.outcome(job_id)
    assert raised.value.newer == 3


def read_all(store: LocalStore, job_id: str) -> None:
    store.request(job_id)
    store.outcome(job_id)
    store.transcript(job_id)


@pytest.mark.fault(67)
def test_a_record_of_a_later_version_is_read(store: LocalStore) -> None:
    request = add(store)
    path = store.source(request.id).parent / "job.json"
    path.write_text(json.dumps({**JOB.write(request), "format": 2, "of_later": 1}, default=asdict))
    assert store.request(request.id) == request


@pytest.mark.fault(70)
def test_what_an_upload_without_a_file_left_behind_is_swept_soon(store: LocalStore) -> None:
    incoming = store.root / "incoming"
    young = incoming / new_job_id()
    old = incoming / new_job_id()
    for directory in (young, old):
        directory.mkdir()
    os.utime(old, (time.time() - JUST_BEGUN - 1,) * 2)
    store.sweep_incoming(older_than=3600)
    assert names(incoming) == [young.name]
