"""Which jobs an object store has, by lists of its objects, and what each of them is; what never changes is read once on
a machine. There is no index: what other machines do would not come to it."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from worker.store.errors import JobNotFound, RecordBroken
from worker.store.index.catalog import Catalog
from worker.store.index.job_index import JobIndex, Seen
from worker.store.index.job_row import ABOVE_ALL, ENDING, OPEN, UNKNOWN, UNREADABLE, Ended, IndexState, JobRow, row_of
from worker.store.index.row_memory import RowMemory
from worker.store.objects.bucket import Bucket, Entry
from worker.store.objects.incoming import SOURCE
from worker.store.objects.recordings import PLAYABLE, REFERENCES
from worker.store.objects.records import ANSWERED, DELIVERIES, ObjectRecords
from worker.store.records import ENDED, JOB, OUTCOME, RETRY, JobRequest, State, is_job_id, upload_began_at
from worker.store.search.document import Document, document_of

SPANS = (60.0, 600.0, 3 * 3600.0, 24 * 3600.0)  # seconds
PIECE = 32  # jobs that are read at once at first; twice as many each time …
LARGEST_PIECE = 256  # … up to this
TRIES = 20  # pages that may be looked at to find the last one
READERS = 16  # requests at once …
FEW = 2  # … for whom nobody waits
RECORDINGS = (SOURCE, PLAYABLE, REFERENCES)  # how the names of recordings begin
LEFT = ("checkpoint.", RETRY.name)  # … and of what runs leave


@dataclass(frozen=True, slots=True)
class Listed:
    """A job as a list had it. ended: None if there was no outcome. deliveries: how many lines of them there were."""

    id: str
    ended: Ended | None
    deliveries: int = 0

    @property
    def ended_at(self) -> float | None:
        """When its outcome was written, by the store's clock."""
        return self.ended.written_at if self.ended else None


class ObjectRows:
    """See JobRows. directory: for what this machine knows of them."""

    def __init__(self, bucket: Bucket, records: ObjectRecords, directory: Path) -> None:
        self._bucket = bucket
        self._records = records
        self._memory = RowMemory(directory)
        self._last_page = ABOVE_ALL  # where it began at the last look for the newest, if it was full enough

    def ids(self) -> list[str]:
        return [each.id for each in self._between("", ABOVE_ALL)]

    def pieces(self, before: str) -> Iterator[list[Listed]]:
        """All jobs below this id, the newest first: names have their time in them, so whoever wants a few of the newest
        has a few objects listed."""
        newest_at = upload_began_at(before) if is_job_id(before) else time.time()
        above, size = before, PIECE
        ends = [_begun_at(max(0.0, newest_at - span)) for span in SPANS]
        for lowest in (self._last_page if before == ABOVE_ALL else before, *ends, ""):
            while above > lowest:
                wants_few = size < LARGEST_PIECE
                jobs, above = self._newest(lowest, above) if wants_few else (self._between(lowest, above), lowest)
                if jobs and before == ABOVE_ALL and size == PIECE:
                    self._last_page = above if len(jobs) >= PIECE else ABOVE_ALL
                while jobs:
                    yield jobs[:size]
                    jobs, size = jobs[size:], min(2 * size, LARGEST_PIECE)

    def rows(self, jobs: Sequence[Listed], *, states: bool = True, readers: int = READERS) -> list[JobRow | None]:
        """As the list had them. states: whether it matters how those have ended that have; else their state may be
        ENDING. readers: how many requests at once."""
        known = {job: self._memory.find(job.id, job.ended_at) for job in jobs}
        unknown = [job for job, row in known.items() if row is None or (states and row.state == ENDING)]
        if not unknown:
            return list(known.values())
        with ThreadPoolExecutor(readers) as pool:
            read = pool.map(lambda job: self._read(job, known[job], states), unknown)
            found = {**known, **dict(zip(unknown, read, strict=True))}
        return [found[job] for job in jobs]

    def row(self, job_id: str) -> JobRow | None:
        outcome = self._bucket.entry(self._records.key(job_id, OUTCOME.name))
        return self.rows([Listed(job_id, Ended(outcome.changed_at) if outcome else None)])[0]

    def came(self, request: JobRequest) -> None:
        """Its record was written by this process."""
        self._memory.keep(row_of(request), None)

    def _newest(self, lowest: str, above: str) -> tuple[list[Listed], str]:
        """Some of the newest jobs with such ids, and from which id on these are all. Lists begin with the oldest, so
        this looks for where the last page begins: in the middle of what is left, again and again."""
        floor, ceiling, start = "", above, lowest  # it begins between the first two
        found: list[Listed] = []
        for _ in range(TRIES):
            page, has_more = self._bucket.page("jobs/", start)
            last = _job_of(page[-1]) if page else ""
            if has_more and last < above:
                floor = last if last < ceiling else start
            else:
                found, ceiling = list(_jobs_of(page, above))[::-1], start
                if len(found) >= PIECE or start == lowest:
                    break
            start = _middle(floor, ceiling)
            if start <= floor:  # their ids tell no times
                break
        if found or ceiling == lowest:
            return found, ceiling
        return self._between(floor, above), floor  # one job has more than a page

    def _between(self, lowest: str, above: str) -> list[Listed]:
        """The jobs with such ids, newest first."""
        return list(self.oldest_first(lowest, above))[::-1]

    def oldest_first(self, lowest: str = "", above: str = ABOVE_ALL) -> Iterator[Listed]:
        return _jobs_of(self._bucket.list("jobs/", lowest), above)

    def _read(self, job: Listed, known: JobRow | None, states: bool) -> JobRow | None:
        try:
            row = known or row_of(self._records.request(job.id, float("inf")))
            if job.ended_at is not None:
                row = replace(row, state=self._read_state(job.id) if states else ENDING)
        except JobNotFound:
            return None
        except (RecordBroken, OSError, ValueError, LookupError, TypeError):
            return JobRow(job.id, None, UNREADABLE, False, UNKNOWN)
        self._memory.keep(row, None if row.state == ENDING else job.ended_at)
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


def _begun_at(at: float) -> str:
    """How the ids of jobs begin that came at that time. at: unix seconds."""
    return f"job_{int(at * 1000):012x}"


def _middle(low: str, high: str) -> str:
    """Between two ids; empty if they do not tell."""
    if not is_job_id(low):
        return ""
    top = _begun_at(time.time()) if high == ABOVE_ALL else high
    return f"job_{(int(low[4:], 16) + int(top[4:].ljust(28, '0'), 16)) // 2:028x}"


def _job_of(entry: Entry) -> str:
    return entry.name.partition("/")[0]


def _jobs_of(entries: Iterable[Entry], above: str) -> Iterator[Listed]:
    for job_id, objects in itertools.groupby(entries, _job_of):
        if job_id >= above:
            break
        changed_at = {entry.name[len(job_id) + 1 :]: entry.changed_at for entry in objects}
        if JOB.name in changed_at and is_job_id(job_id):
            yield _listed(job_id, changed_at)


def _listed(job_id: str, changed_at: Mapping[str, float]) -> Listed:
    """changed_at: of its objects, by name."""
    written_at = changed_at.get(OUTCOME.name)
    if written_at is None:
        return Listed(job_id, None)
    has_recording = any(name.startswith(RECORDINGS) for name in changed_at)
    has_left = any(name.startswith(LEFT) for name in changed_at)
    deliveries = sum(name.startswith(DELIVERIES) for name in changed_at)
    return Listed(job_id, Ended(written_at, changed_at.get(ANSWERED), has_recording, has_left), deliveries)


class ObjectCatalog(Catalog):
    """Without an index to ask. Whether a job has ended a list says."""

    def __init__(self, rows: ObjectRows, index: JobIndex) -> None:
        super().__init__(rows, index)
        self._of_store = rows

    def of_owner(self, owner: str, after: str | None = None, *statuses: State) -> Iterator[str]:
        ends = set(ENDED).intersection(statuses)
        wanted = self._wanted(owner, statuses)
        for piece in self._of_store.pieces(after or ABOVE_ALL):
            jobs = piece if ends or not statuses else [job for job in piece if job.ended is None]
            for row in self._of_store.rows(jobs, states=bool(ends)):
                if row is not None and wanted(row):
                    yield row.id

    def not_ended(self) -> Iterator[Seen]:
        jobs = itertools.chain.from_iterable(self._of_store.pieces(ABOVE_ALL))
        return (Seen(job.id, None) for job in jobs if job.ended is None)

    def due(self, now: float, limit: int) -> Iterator[Seen]:
        """All that have ended, with what the list says of each."""
        return (Seen(job.id, None, None, job.ended) for job in self._of_store.oldest_first() if job.ended)

    def owing(self) -> Iterator[Seen]:
        """Of those that had ended when they were listed: the end of another is told, or seen in the next list."""
        for piece in self._of_store.pieces(ABOVE_ALL):
            ended = [job for job in piece if job.ended]
            for job, row in zip(ended, self._of_store.rows(ended, states=False, readers=FEW), strict=True):
                if row is not None and row.owes:
                    yield Seen(row.id, None, f"{job.ended_at} {job.deliveries}")
