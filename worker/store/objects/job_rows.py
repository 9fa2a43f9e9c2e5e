"""Which jobs an object store has, by one list of all its objects, and what each of them is."""

from __future__ import annotations

import json

from worker.store.errors import JobNotFound, RecordBroken
from worker.store.index.job_row import OPEN, UNREADABLE, IndexState, JobRow
from worker.store.objects.bucket import Bucket
from worker.store.objects.records import ObjectRecords
from worker.store.records import ENDED, JOB, OUTCOME, is_job_id
from worker.store.search.document import Document, document_of


class ObjectRows:
    """See JobRows. Requests are remembered, so that each is read once."""

    def __init__(self, bucket: Bucket, records: ObjectRecords) -> None:
        self._bucket = bucket
        self._records = records

    def ids(self) -> list[str]:
        names = (entry.name for entry in self._bucket.list("jobs/") if entry.name.endswith(f"/{JOB.name}"))
        return sorted((name for name in (each.partition("/")[0] for each in names) if is_job_id(name)), reverse=True)

    def row(self, job_id: str) -> JobRow | None:
        try:
            request = self._records.request(job_id, float("inf"))
            state = self._state(job_id)
        except JobNotFound:
            return None
        except (RecordBroken, OSError, ValueError, LookupError, TypeError):
            return JobRow(job_id, None, UNREADABLE, False, 0)
        return JobRow(job_id, request.owner, state, request.webhook is not None, 0)

    def document(self, job_id: str) -> Document | None:
        """None for a job that is gone or cannot be read."""
        return document_of(job_id, 0, lambda name: self._bucket.get(self._records.key(job_id, name)).data)

    def _state(self, job_id: str) -> IndexState:
        try:
            state = json.loads(self._bucket.get(self._records.key(job_id, OUTCOME.name)).data)["state"]
        except FileNotFoundError:
            return OPEN
        if state not in ENDED:
            raise ValueError(state)
        return state  # type: ignore[no-any-return]  # one of ENDED
