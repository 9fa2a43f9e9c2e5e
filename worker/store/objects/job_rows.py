"""Which jobs an object store has, by lists of its objects, and what each of them is; what never changes is read once on
a machine. There is no index: what other machines do would not come to it."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from worker.store.errors import JobNotFound, RecordBroken
from worker.store.index.catalog import Catalog
from worker.store.index.job_index import JobIndex, Page, Seen
from worker.store.index.job_row import ABOVE_ALL, OPEN, UNKNOWN, UNREADABLE, IndexState, JobRow
from worker.store.index.row_memory import RowMemory
from worker.store.objects.bucket import Bucket
from worker.store.objects.records import DELIVERIES, ObjectRecords
from worker.store.records import ENDED, JOB, OUTCOME, is_job_id, upload_began_at
from worker.store.search.document import Document, document_of

MOST = 100_000  # jobs of the diary
SPANS = (60.0, 600.0, 3 * 3600.0, 24 * 3600.0)  # seconds
PIECE = 32  # jobs that are read at once at first; twice as many each time …
LARGEST_PIECE = 256  # … up to this
READERS = 16  # requests at once


@dataclass(frozen=True, slots=True)
class Listed:
    """A job as a list had it. ended_at: when its outcome was written, by the store's clock; None if there was none.
    deliveries: how many lines of them there were."""

    id: str
    ended_at: float | None
    deliveries: int = 0


class ObjectRows:
    """See JobRows. directory: for what this machine knows of them."""

    def __init__(self, bucket: Bucket, records: ObjectRecords, directory: Path) -> None:
        self._bucket = bucket
        self._records = records
        self._memory = RowMemory(directory)

    def ids(self) -> list[str]:
        return [each.id for each in self._between("", ABOVE_ALL)]

    def pieces(self, before: str) -> Iterator[list[Listed]]:
        """All jobs below this id, the newest first: names have their time in them, so whoever wants a few of the newest
        has a few objects listed."""
        newest_at = upload_began_at(before) if is_job_id(before) else time.time()
        above, size = before, PIECE
        for span in (*SPANS, None):
            lowest = "" if span is None else f"job_{int(max(0.0, newest_at - span) * 1000):012x}"
            jobs = self._between(lowest, above)
            above = lowest
            while jobs:
                yield jobs[:size]
                jobs, size = jobs[size:], min(2 * size, LARGEST_PIECE)

    def rows(self, jobs: Sequence[Listed]) -> list[JobRow | None]:
        """Several requests at once. As the list had them."""
        known = {job: self._memory.find(job.id, job.ended_at) for job in jobs}
        unknown = [job for job, row in known.items() if row is None]
        if not unknown:
            return list(known.values())
        with ThreadPoolExecutor(READERS) as pool:
            read = dict(zip(unknown, pool.map(self._read, unknown), strict=True))
        return [known[job] or read[job] for job in jobs]

    def row(self, job_id: str) -> JobRow | None:
        outcome = self._bucket.entry(self._records.key(job_id, OUTCOME.name))
        return self.rows([Listed(job_id, outcome.changed_at if outcome else None)])[0]

    def _between(self, lowest: str, above: str) -> list[Listed]:
        """The jobs with such ids, newest first."""
        found: dict[str, float | None] = {}  # when each ended
        deliveries: Counter[str] = Counter()
        for entry in self._bucket.list("jobs/", lowest):
            job_id, _, name = entry.name.partition("/")
            if job_id >= above:
                break
            if name.startswith(DELIVERIES):
                deliveries[job_id] += 1
            elif name == JOB.name and is_job_id(job_id):
                found[job_id] = None
            elif name == OUTCOME.name and job_id in found:  # which stands behind `job.json`
                found[job_id] = entry.changed_at
        return [Listed(job_id, ended_at, deliveries[job_id]) for job_id, ended_at in reversed(found.items())]

    def _read(self, job: Listed) -> JobRow | None:
        try:
            request = self._records.request(job.id, float("inf"))
            state = OPEN if job.ended_at is None else self._read_state(job.id)
        except JobNotFound:
            return None
        except (RecordBroken, OSError, ValueError, LookupError, TypeError):
            return JobRow(job.id, None, UNREADABLE, False, UNKNOWN)
        row = JobRow(job.id, request.owner, state, request.webhook is not None, UNKNOWN)
        self._memory.keep(row, job.ended_at)
        return row

    def document(self, job_id: str) -> Document | None:
        """None for a job that is gone or cannot be read."""
        return document_of(job_id, UNKNOWN, lambda name: self._bucket.get(self._records.key(job_id, name)).data)

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
        self._of_store = rows
        self._diary = diary

    def due(self, now: float, limit: int) -> Iterator[Seen]:
        return (seen for seen in super().due(now, limit) if self._diary.is_due(seen.id, now))

    def owing(self) -> Iterator[Seen]:
        """Of those that had ended when they were listed: the end of another is told, or seen in the next list."""
        for piece in self._of_store.pieces(ABOVE_ALL):
            for job, row in zip(piece, self._of_store.rows(piece), strict=True):
                if row is not None and row.owes and job.ended_at is not None:
                    yield Seen(row.id, None, f"{job.ended_at} {job.deliveries}")

    def _found(
        self, page: Callable[[str], Page], wanted: Callable[[JobRow], bool], before: str = ABOVE_ALL
    ) -> Iterator[Seen]:
        for piece in self._of_store.pieces(before):
            for row in self._of_store.rows(piece):
                if row is not None and wanted(row):
                    yield Seen(row.id, None)
