"""Jobs in an S3-compatible object store, for workers and APIs on many machines.

jobs/<id>/job.json         the request, never changed; written last, and the commit: without it there is no job
jobs/<id>/source           the upload; reference.<n>, playable, peaks.json, transcript.json, edits.json, speakers.json
                           and retry.json as in a data directory
jobs/<id>/checkpoint.<n>   see attempts.py
jobs/<id>/outcome.json     the one terminal state; created on condition that there is none
jobs/<id>/deliveries.<n>.* what came of each delivery attempt, in order
jobs/<id>/answered         a waiting client has had its answer
jobs/<id>/deleted          whoever created it removes the job
broken/<id>/               see LocalStore
claims/<hash>              see claims.py
store.id                   which store this is

What is of this machine alone lies in its data directory: uploads as they come, and recordings as they are read.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from engines.transcript import Transcript
from worker.runtime.timing import Timing
from worker.store.attempts import Attempt
from worker.store.edits.transcripts import Transcripts
from worker.store.errors import JobNotFound, RecordBroken
from worker.store.index.catalog import Catalog
from worker.store.index.job_index import JobIndex
from worker.store.local.upload import JUST_BEGUN, sweep
from worker.store.objects import attempts
from worker.store.objects.attempts import ObjectAttemptLog
from worker.store.objects.bucket import BROKEN_OFF, Bucket, Conflict, check
from worker.store.objects.claims import ObjectClaims
from worker.store.objects.incoming import SOURCE, ObjectUpload
from worker.store.objects.job_rows import ObjectCatalog, ObjectRows
from worker.store.objects.reach import Reach
from worker.store.objects.recordings import PLAYABLE, ObjectRecordings
from worker.store.objects.records import ANSWERED, DELIVERIES, FRESH
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
from worker.store.search.search_index import SearchIndex

log = logging.getLogger(__name__)


class ObjectStore(ObjectRecordings):
    """See JobStore. directory: of this machine alone. batch: see ObjectAttemptLog. Raises StoreUnfit, or OSError if the
    store cannot be reached."""

    is_shared = True

    def __init__(self, bucket: Bucket, directory: Path, batch: float = attempts.BATCH) -> None:
        check(bucket)
        super().__init__(bucket, directory)
        self._batch = batch
        rows = self._rows = ObjectRows(bucket, self._records, directory / "index")
        self.claims = ObjectClaims(bucket, self.has)
        self._reach = Reach(bucket)
        self.search = SearchIndex(directory / "index", rows.document)
        self.index = JobIndex(directory / "index")
        self.catalog: Catalog = ObjectCatalog(rows, self.index)
        self.transcripts = Transcripts(self._records, self.search.update)

    def keep_index(self, timing: Timing) -> None:
        """There is none: what other machines do would not come to it, and lists are read from the store. What lies on
        this machine alone is tidied instead, by each process that serves: nobody else sees it."""
        threading.Thread(target=self._keep_tidy, args=(timing,), name="tidy", daemon=True).start()

    # Jobs

    def receive(self, again: str | None = None) -> ObjectUpload:
        source = None
        if again is not None:
            size = self.source_size(again)
            if size is None:
                raise FileNotFoundError(self._records.key(again, SOURCE))
            source = again, size
        return ObjectUpload(self._incoming, self.bucket, self._cache, self._came, source)

    def request(self, job_id: str) -> JobRequest:
        return self._records.request(job_id)

    def has(self, job_id: str) -> bool:
        try:
            return self.bucket.entry(self._records.key(job_id, JOB.name)) is not None
        except JobNotFound:
            return False

    def ids(self) -> Iterator[str]:
        yield from self._rows.ids()

    def delete(self, job_id: str) -> None:
        """`job.json` first: the job is gone at once for every reader."""
        key = self._records.key(job_id, "deleted")
        if not self.has(job_id):
            raise JobNotFound(job_id)
        try:
            self.bucket.create(key, uuid4().bytes)
        except Conflict:
            if not self.bucket.is_older(key, BROKEN_OFF):  # of one that was killed as it deleted the job
                raise JobNotFound(job_id) from None
        self._forget(job_id)
        is_ours = self.has(job_id)  # or another did it all since
        self.bucket.delete([self._records.key(job_id, JOB.name)])
        self._remove(f"jobs/{job_id}/")
        self.search.update(job_id)
        if not is_ours:
            raise JobNotFound(job_id)

    def set_aside(self, job_id: str) -> None:
        names = list(self._looks.look(job_id).entries)
        if not names:
            raise FileNotFoundError(f"There is nothing of the job {job_id}")
        for name in names:
            self.bucket.copy(self._records.key(job_id, name), f"broken/{job_id}/{name}")
        self._forget(job_id)
        self.bucket.delete([self._records.key(job_id, name) for name in names])

    # How a job ends

    def outcome(self, job_id: str) -> Outcome | None:
        look = self._looks.look(job_id)
        if not (look.is_job and look.is_over):
            return None
        try:
            return self._records.read(job_id, OUTCOME).named(self.transcripts.names(job_id))
        except JobNotFound:
            return None

    def is_over(self, job_id: str, within: float = 0.0) -> bool:
        return self._looks.look(job_id, min(within, FRESH)).is_over

    def finish(self, job_id: str, outcome: Outcome) -> bool:
        try:
            self._records.require(job_id)
            self.bucket.create(self._records.key(job_id, OUTCOME.name), OUTCOME.dump(outcome))
        except (Conflict, JobNotFound):
            return False
        self._looks.came(job_id, OUTCOME.name)
        self.search.update(job_id)
        return True

    def reopen(self, job_id: str, end: float | None = None) -> None:
        look = self._looks.look(job_id)
        if not (look.is_job and look.is_over):
            raise JobNotFound(job_id)
        if not self._records.take_back(job_id, OUTCOME, lambda outcome: end in (None, outcome.ended_at)):
            raise JobNotFound(job_id)
        self._drop(job_id, [OUTCOME.name, TRANSCRIPT.name, PLAYABLE])
        self._drop_kept(job_id)

    def mark_answered(self, job_id: str) -> None:
        key = self._records.key(job_id, ANSWERED)
        if self._looks.look(job_id, FRESH).is_job:  # else deleted meanwhile, which is all that is left for it
            self.bucket.put(key, b"")

    def answered_at(self, job_id: str) -> float | None:
        entry = self.bucket.entry(self._records.key(job_id, ANSWERED))
        return entry.changed_at if entry else None

    def deliveries(self, job_id: str) -> bytes:
        names = sorted(self._looks.look(job_id).begins(DELIVERIES))
        return b"".join(self.bucket.get(self._records.key(job_id, name)).data for name in names)

    def add_delivery(self, job_id: str, line: bytes) -> None:
        look = self._looks.look(job_id)
        if not look.is_job:
            raise JobNotFound(job_id)
        number = len(look.begins(DELIVERIES))  # of two that count alike both are kept
        self.bucket.put(self._records.key(job_id, f"{DELIVERIES}{number:06d}.{uuid4().hex}"), line)

    # What it comes to

    def transcript(self, job_id: str) -> Transcript:
        return self.transcripts.read(job_id)

    def save_transcript(self, job_id: str, transcript: Transcript) -> Transcript:
        return self.transcripts.save_first(job_id, transcript)

    def waveform(self, job_id: str) -> Waveform | None:
        try:
            return self._records.read(job_id, WAVEFORM)
        except (JobNotFound, RecordBroken):
            return None

    def save_waveform(self, job_id: str, waveform: Waveform) -> None:
        self._records.replace(job_id, WAVEFORM, waveform)

    # Its runs

    def attempts(self, job_id: str) -> list[Attempt]:
        return attempts.read_all(self.bucket, job_id, self._looks.look(job_id, FRESH))

    def begin_attempt(self, job_id: str) -> ObjectAttemptLog:
        return ObjectAttemptLog(self.bucket, self._looks, job_id, self._batch)

    def newest_attempt(self, job_id: str) -> int:
        return attempts.newest(self._looks.look(job_id, FRESH))

    def note_crash(self, job_id: str) -> None:
        attempts.note_crash(self.bucket, self._looks, job_id)

    def drop_checkpoints(self, job_id: str) -> None:
        self._drop(job_id, self._looks.look(job_id, FRESH).begins("checkpoint.", RETRY.name))
        shutil.rmtree(self._fetching / job_id, ignore_errors=True)

    def drop_left(self, job_id: str) -> None:
        if is_job_id(job_id) and not self.has(job_id):
            self._forget(job_id)
            self._remove(f"jobs/{job_id}/")

    def retry(self, job_id: str) -> Retry | None:
        try:
            return self._records.read(job_id, RETRY)
        except (JobNotFound, RecordBroken):
            return None

    def put_aside(self, job_id: str, retry: Retry) -> None:
        self._records.replace(job_id, RETRY, retry)

    # Room

    def sweep_incoming(self, older_than: float) -> None:
        """What uploads and deletions cut off left in the store: objects at the place of no job, once they are as old by
        the store's own clock. What they left on a machine goes with `tidy`."""
        newest: dict[str, float] = {}
        jobs = set()
        for entry in self.bucket.list("jobs/"):
            job_id, _, name = entry.name.partition("/")
            newest[job_id] = max(newest.get(job_id, 0.0), entry.changed_at)
            if name == JOB.name:
                jobs.add(job_id)
        orphans = newest.keys() - jobs
        now = self.bucket.now() if orphans else 0.0
        for job_id in orphans:
            if newest[job_id] < now - older_than:
                self._remove(f"jobs/{job_id}/")

    def tidy(self, older_than: float) -> None:
        """Drops from this machine uploads cut off, as the protocol says; recordings that the store has no more, what
        was fetched of those that nobody fetches any more, and copies for players that a killed process left of jobs
        that are gone."""
        sweep(self._incoming, older_than, JUST_BEGUN)
        kept, fetched = self._cache.files(), list(self._fetching.iterdir())  # first: what comes later is in no list
        copies = list(self._playable.iterdir())
        there = {entry.name for entry in self.bucket.list("jobs/")}
        self._cache.keep_only(there, kept)
        for path in fetched:
            if f"{path.name}/{JOB.name}" not in there or f"{path.name}/{OUTCOME.name}" in there:
                shutil.rmtree(path, ignore_errors=True)
        for path in copies:
            if f"{path.name.partition('.')[0]}/{JOB.name}" not in there:
                path.unlink(missing_ok=True)

    def trouble(self) -> str | None:
        return self._reach.trouble()

    def free_bytes(self) -> int:
        """On this machine, which uploads pass through."""
        return shutil.disk_usage(self._incoming).free

    def _keep_tidy(self, timing: Timing) -> None:
        while True:
            time.sleep(timing.reconcile)
            try:
                self.tidy(timing.partial)
            except OSError as error:
                log.warning("Recordings kept on this machine are looked at again in a minute: %s", error)

    def _came(self, request: JobRequest) -> None:
        self._records.know(request, time.monotonic())
        self._rows.came(request)

    def _forget(self, job_id: str) -> None:
        self._looks.forget(job_id)
        self._records.forget(job_id)
        self._drop_kept(job_id)
        shutil.rmtree(self._fetching / job_id, ignore_errors=True)

    def _remove(self, folder: str) -> None:
        self.bucket.delete([folder + entry.name for entry in self.bucket.list(folder)])
