"""The store is the truth: one directory a job, complete before anything is promised.

incoming/<id>/source      an upload as it grows
jobs/<id>/source          the upload, without an extension; of a job with a URL once it was fetched, and fetch.* before
jobs/<id>/playable        a copy of the source that browsers play well, if anybody asked; empty if the source is one
jobs/<id>/reference.<n>   a known speaker's recording; it goes with the source
jobs/<id>/job.json        the request, never changed
jobs/<id>/checkpoint.<n>.jsonl what attempt n has decoded so far; checkpoint.<n>.ended.jsonl once it left in good order;
                          checkpoint.<n>.crashed beside it if its worker was seen to die of its own
jobs/<id>/retry.json      why and how long the job is put aside, and how often it was tried
jobs/<id>/transcript.json the result, written aside and renamed
jobs/<id>/edits.json      what people changed in it, and the job's title; jobs/<id>/speakers.json their speakers' names
jobs/<id>/peaks.json      the recording's waveform
jobs/<id>/outcome.json    the one terminal state; the first to create it wins; gone again if the job is requeued
jobs/<id>/deliveries.jsonl what came of each delivery attempt
jobs/<id>/answered        a waiting client has had its answer
broken/<id>/              a job whose record cannot be read: set aside by maintenance for whoever looks into it
claims/<hash>             which job an idempotency key stands for
index/                    which jobs there are, for lists and maintenance; made anew if it is deleted

Reading moves nothing: a record that cannot be read now may be of a newer version that shares the store.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engines.transcript import Transcript
from worker.runtime.timing import Timing
from worker.store.attempts import Attempt
from worker.store.edits.transcripts import Transcripts
from worker.store.errors import JobNotFound, RecordBroken
from worker.store.files import append_synced, patiently, remove, sync_directory
from worker.store.incoming import reference_name
from worker.store.index.catalog import Catalog
from worker.store.index.job_index import JobIndex
from worker.store.index.job_row import LocalRows, job_ids
from worker.store.index.keeper import IndexKeeper, distrust_unkept
from worker.store.local import attempts
from worker.store.local.attempts import LocalAttemptLog
from worker.store.local.claims import LocalClaims
from worker.store.local.partial_source import LocalPartialSource
from worker.store.local.record_files import RecordFiles
from worker.store.local.upload import JUST_BEGUN, LocalUpload, sweep
from worker.store.protocol import JobStore
from worker.store.records import (
    JOB,
    OUTCOME,
    RETRY,
    TRANSCRIPT,
    WAVEFORM,
    JobRequest,
    Outcome,
    Retry,
    Waveform,
    is_job_id,
)
from worker.store.search.document import read_document
from worker.store.search.search_index import SearchIndex
from worker.store.search.search_keeper import SearchKeeper

__all__ = ["JobNotFound", "JobStore", "LocalStore", "RecordBroken"]


class LocalStore:
    """See JobStore; jobs as directories below `root`."""

    is_shared = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming, self._jobs, self._broken = (root / name for name in ("incoming", "jobs", "broken"))
        for directory in (self._incoming, self._jobs, self._broken):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.claims = LocalClaims(root / "claims")
        self.search = SearchIndex(root / "index", lambda job_id: read_document(self._jobs / job_id))
        self.index = JobIndex(root / "index", self.search.update)
        self.catalog = Catalog(LocalRows(self._jobs), self.index)
        self._files = RecordFiles(self._jobs)
        self.transcripts = Transcripts(self._files, self.search.update)
        distrust_unkept(self.index)

    def keep_index(self, timing: Timing) -> None:
        IndexKeeper(self._jobs, self.index, timing).start()
        SearchKeeper(self._jobs, self.search, timing).start()

    def receive(self, again: str | None = None) -> LocalUpload:
        return LocalUpload(self._incoming, self._jobs, self.index, self.source(again) if again else None)

    def request(self, job_id: str) -> JobRequest:
        return self._files.read(job_id, JOB)

    def outcome(self, job_id: str) -> Outcome | None:
        try:
            return self._files.read(job_id, OUTCOME).named(self.transcripts.names(job_id))
        except JobNotFound:
            return None

    def is_over(self, job_id: str, within: float = 0.0) -> bool:
        try:
            return not self.has(job_id) or self.outcome(job_id) is not None
        except RecordBroken:
            return True  # a newer version's outcome, or a damaged one: either way there is one

    def finish(self, job_id: str, outcome: Outcome) -> bool:
        self._directory(job_id)  # raises JobNotFound for what can be no job's id
        seen = self.index.ends(job_id)
        try:
            if not self._files.create(job_id, OUTCOME, outcome):
                return False
        except JobNotFound:
            return False
        self.index.ended(seen, outcome.state)
        return True

    def reopen(self, job_id: str, end: float | None = None) -> None:
        directory = self._directory(job_id)
        with self._files.alone(job_id):  # nobody changes an outcome that is there
            if end is not None and self._files.read(job_id, OUTCOME).ended_at != end:
                raise JobNotFound(job_id)
            if not (directory / OUTCOME.name).exists():
                raise JobNotFound(job_id)
            self.index.reopens(job_id)
            remove(self.playable_target(job_id))  # nobody knew then which track is wanted
            remove(directory / TRANSCRIPT.name)  # of a run that was canceled at its very end
            try:
                patiently((directory / OUTCOME.name).unlink)
            except FileNotFoundError:
                raise JobNotFound(job_id) from None
            self.index.reopens(job_id)
            sync_directory(directory)

    def transcript(self, job_id: str) -> Transcript:
        return self.transcripts.read(job_id)

    def save_transcript(self, job_id: str, transcript: Transcript) -> Transcript:
        return self.transcripts.save_first(job_id, transcript)

    def waveform(self, job_id: str) -> Waveform | None:
        try:
            return self._files.read(job_id, WAVEFORM)
        except (JobNotFound, RecordBroken):
            return None

    def save_waveform(self, job_id: str, waveform: Waveform) -> None:
        self._files.replace(job_id, WAVEFORM, waveform)

    def retry(self, job_id: str) -> Retry | None:
        try:
            return self._files.read(job_id, RETRY)
        except (JobNotFound, RecordBroken):
            return None

    def put_aside(self, job_id: str, retry: Retry) -> None:
        self._files.replace(job_id, RETRY, retry)

    def attempts(self, job_id: str) -> list[Attempt]:
        return attempts.read_all(self._directory(job_id))

    def begin_attempt(self, job_id: str) -> LocalAttemptLog:
        try:
            return LocalAttemptLog(self._directory(job_id))
        except FileNotFoundError:
            raise JobNotFound(job_id) from None

    def newest_attempt(self, job_id: str) -> int:
        return attempts.newest(self._directory(job_id))

    def note_crash(self, job_id: str) -> None:
        attempts.note_crash(self._directory(job_id))

    def drop_checkpoints(self, job_id: str) -> None:
        for pattern in ("checkpoint.*", "retry.json", "fetch.*", "*.tmp"):
            for path in self._directory(job_id).glob(pattern):
                path.unlink(missing_ok=True)

    def drop_left(self, job_id: str) -> None:
        """There is nothing: a job's directory goes as a whole, and nobody makes it again."""

    def source(self, job_id: str) -> Path:
        """Where it is; only this store has such a place."""
        return self._directory(job_id) / "source"

    def source_size(self, job_id: str) -> int | None:
        return _size(self.source(job_id))

    @contextmanager
    def local_source(self, job_id: str) -> Iterator[Path]:
        yield self.source(job_id)

    @contextmanager
    def local_reference(self, job_id: str, number: int) -> Iterator[Path]:
        yield self._directory(job_id) / reference_name(number)

    def fetched_source(self, job_id: str) -> LocalPartialSource:
        return LocalPartialSource(self.source(job_id))

    def playable_size(self, job_id: str) -> int | None:
        return _size(self.playable_target(job_id))

    @contextmanager
    def local_playable(self, job_id: str) -> Iterator[Path]:
        yield self.playable_target(job_id)

    def playable_target(self, job_id: str) -> Path:
        return self._directory(job_id) / "playable"

    def keep_playable(self, job_id: str) -> None:
        """It is where it belongs."""

    def bound_playables(self, most: int) -> None:
        found = []
        for job_id in self.ids():
            with suppress(OSError):  # most have none
                copy = self.playable_target(job_id)
                status = copy.stat()
                found.append((status.st_mtime_ns, status.st_size, copy))
        total = sum(size for _, size, _ in found)
        for _, size, copy in sorted(found):
            if total <= most:
                return
            with suppress(OSError):  # open on Windows
                copy.unlink()
                total -= size

    def drop_source(self, job_id: str) -> None:
        directory = self._directory(job_id)
        for path in (self.source(job_id), *directory.glob("playable*"), *directory.glob("reference.*")):
            remove(path)

    def deliveries(self, job_id: str) -> bytes:
        try:
            return (self._directory(job_id) / "deliveries.jsonl").read_bytes()
        except FileNotFoundError:
            return b""

    def add_delivery(self, job_id: str, line: bytes) -> None:
        path = self._directory(job_id) / "deliveries.jsonl"
        self.index.owes(job_id)
        try:
            append_synced(path, line)
        except FileNotFoundError:
            raise JobNotFound(job_id) from None
        self.index.owes(job_id)

    def mark_answered(self, job_id: str) -> None:
        try:
            (self._directory(job_id) / "answered").touch(mode=0o600)
        except FileNotFoundError:
            return  # deleted meanwhile, which is all an answered job has to look forward to
        self.index.look_soon(job_id)

    def answered_at(self, job_id: str) -> float | None:
        try:
            return (self._directory(job_id) / "answered").stat().st_mtime
        except FileNotFoundError:
            return None

    def delete(self, job_id: str) -> None:
        doomed = self._incoming / f"deleted-{job_id}-{time.monotonic_ns()}"
        try:  # gone at once for every reader, however large it is
            patiently(lambda: os.rename(self._directory(job_id), doomed))
        except FileNotFoundError:
            raise JobNotFound(job_id) from None
        self.index.forget(job_id)
        shutil.rmtree(doomed, ignore_errors=True)

    def set_aside(self, job_id: str) -> None:
        os.rename(self._directory(job_id), self._broken / job_id)
        self.index.forget(job_id)

    def has(self, job_id: str) -> bool:
        return is_job_id(job_id) and (self._jobs / job_id).is_dir()

    def ids(self) -> Iterator[str]:
        yield from job_ids(self._jobs)

    def sweep_incoming(self, older_than: float) -> None:
        sweep(self._incoming, older_than, JUST_BEGUN)

    def trouble(self) -> str | None:
        return None

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.root).free

    def _directory(self, job_id: str) -> Path:
        return self._files.directory(job_id)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
