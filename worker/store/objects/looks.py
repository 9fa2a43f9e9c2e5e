"""What objects a job has, remembered for a moment: a run asks many times, and each answer is a request."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from worker.store.errors import JobNotFound
from worker.store.objects.bucket import Bucket, Entry
from worker.store.records import JOB, OUTCOME, is_job_id

MOST = 1000  # jobs


@dataclass(frozen=True, slots=True)
class Look:
    """at: monotonic seconds; wall: unix seconds. entries: by name."""

    at: float
    wall: float
    entries: Mapping[str, Entry] = field(default_factory=dict)

    def is_of_the_last(self, seconds: float) -> bool:
        """By both clocks: on some machines one of them stands still while they sleep."""
        return time.monotonic() - self.at < seconds and abs(time.time() - self.wall) < seconds

    @property
    def is_job(self) -> bool:
        return JOB.name in self.entries

    @property
    def is_over(self) -> bool:
        """Whether the job has its outcome, or is gone."""
        return not self.is_job or OUTCOME.name in self.entries

    def begins(self, *beginnings: str) -> list[str]:
        return [name for name in self.entries if name.startswith(beginnings)]


class Looks:
    """What this process does to a job it tells with `came` and `went`, so that it sees it at once."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._looks: OrderedDict[str, Look] = OrderedDict()
        self._changes = 0  # that were told: a look that began before one does not know of it
        self._lock = threading.Lock()

    def look(self, job_id: str, within: float = 0.0) -> Look:
        """within: seconds that an earlier look may be old. Raises JobNotFound for what cannot be the id of a job."""
        if not is_job_id(job_id):
            raise JobNotFound(job_id)
        with self._lock:
            known, changes = self._looks.get(job_id), self._changes
        if known is not None and known.is_of_the_last(within):
            return known
        now, wall = time.monotonic(), time.time()
        entries = {entry.name: entry for entry in self._bucket.list(f"jobs/{job_id}/")}
        look = Look(now, wall, entries)
        with self._lock:
            if changes != self._changes:
                self._looks.pop(job_id, None)
                return look
            self._looks[job_id] = look
            self._looks.move_to_end(job_id)
            while len(self._looks) > MOST:
                self._looks.popitem(last=False)
        return look

    def came(self, job_id: str, name: str, size: int = 0) -> None:
        with self._lock:
            self._changes += 1
            if look := self._looks.get(job_id):
                entries = {**look.entries, name: Entry(name, size, time.time())}
                self._looks[job_id] = replace(look, entries=entries)

    def went(self, job_id: str, names: Collection[str]) -> None:
        with self._lock:
            self._changes += 1
            if look := self._looks.get(job_id):
                entries = {name: entry for name, entry in look.entries.items() if name not in names}
                self._looks[job_id] = replace(look, entries=entries)

    def forget(self, job_id: str) -> None:
        with self._lock:
            self._changes += 1
            self._looks.pop(job_id, None)
