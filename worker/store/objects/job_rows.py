"""Which jobs an object store has, by one list of all its objects, and what each of them is; what never changes is read
once. There is no index: what other machines do would not come to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from worker.store.errors import JobNotFound, RecordBroken
from worker.store.index.catalog import Catalog
from worker.store.index.job_index import JobIndex, Seen
from worker.store.index.job_row import OPEN, UNKNOWN, UNREADABLE, IndexState, JobRow
from worker.store.objects.bucket import Bucket
from worker.store.objects.records import ObjectRecords
from worker.store.records import ENDED, JOB, OUTCOME, is_job_id
from worker.store.search.document import Document, document_of

MOST = 100_000  # jobs that are remembered


class ObjectRows:
    """See JobRows. A row is as the last list of all jobs had it."""

    def __init__(self, bucket: Bucket, records: ObjectRecords) -> None:
        self._bucket = bucket
        self._records = records
        self._ended_at: dict[str, float] = {}  # when outcomes were written, by job, at the last list
        self._states: dict[str, tuple[float, IndexState]] = {}  # of such an outcome

    def ids(self) -> list[str]:
        found, ended_at = list[str](), dict[str, float]()
        for entry in self._bucket.list("jobs/"):
            job_id, _, name = entry.name.partition("/")
            if name == JOB.name and is_job_id(job_id):
                found.append(job_id)
            elif name == OUTCOME.name:
                ended_at[job_id] = entry.changed_at
        self._states = {job_id: state for job_id, state in list(self._states.items()) if job_id in ended_at}
        self._ended_at = ended_at
        return sorted(found, reverse=True)

    def row(self, job_id: str) -> JobRow | None:
        try:
            request = self._records.request(job_id, float("inf"))
            state = self._state(job_id)
        except JobNotFound:
            return None
        except (RecordBroken, OSError, ValueError, LookupError, TypeError):
            return JobRow(job_id, None, UNREADABLE, False, UNKNOWN)
        return JobRow(job_id, request.owner, state, request.webhook is not None, UNKNOWN)

    def document(self, job_id: str) -> Document | None:
        """None for a job that is gone or cannot be read."""
        return document_of(job_id, UNKNOWN, lambda name: self._bucket.get(self._records.key(job_id, name)).data)

    def _state(self, job_id: str) -> IndexState:
        ended_at = self._ended_at.get(job_id)
        if ended_at is None:
            return OPEN
        known_at, known = self._states.get(job_id, (0.0, OPEN))
        if known_at == ended_at:
            return known
        state: IndexState = self._read_state(job_id)
        self._states[job_id] = ended_at, state
        return state

    def _read_state(self, job_id: str) -> IndexState:
        try:
            state = json.loads(self._bucket.get(self._records.key(job_id, OUTCOME.name)).data)["state"]
        except FileNotFoundError:
            return OPEN
        if state not in ENDED:
            raise ValueError(state)
        return state  # type: ignore[no-any-return]  # one of ENDED


class Diary(JobIndex):
    """Of the index only this: when maintenance is to look at an ended job again, as far as this process has found."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._again_at: dict[str, float] = {}  # unix seconds, by job

    def looked_at(self, seen: Seen, state: IndexState, again_at: float) -> None:
        if len(self._again_at) >= MOST:  # also of jobs that others have deleted since
            self._again_at.clear()
        self._again_at[seen.id] = again_at

    def put_off(self, seen: Seen, again_at: float) -> None:
        self._again_at[seen.id] = again_at

    def is_due(self, job_id: str, now: float) -> bool:
        return self._again_at.get(job_id, 0.0) <= now

    def forget(self, job_id: str) -> None:
        """After the job is gone, or is to be looked at anew."""
        self._again_at.pop(job_id, None)


class ObjectCatalog(Catalog):
    """Without an index to ask, and with the diary instead."""

    def __init__(self, rows: ObjectRows, diary: Diary) -> None:
        super().__init__(rows, diary)
        self._diary = diary

    def due(self, now: float, limit: int) -> Iterator[Seen]:
        return (seen for seen in super().due(now, limit) if self._diary.is_due(seen.id, now))
