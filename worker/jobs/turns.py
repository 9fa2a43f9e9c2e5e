"""Jobs of several owners take turns: each is queued behind its owner's round.

Where that is depends on the owners of all jobs that wait, of which there may be thousands. So the queues are remembered
with their owners, and each time only their lengths and ends are read: a queue that was taken from at its head and added
to at its end is known by them. Whoever puts a job elsewhere counts that in Redis, and then all is read again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from redis import Redis

from worker.jobs.queue_ends import QueueEnds, read_ends, read_ids
from worker.jobs.shares import turn
from worker.queue.job_queue import JobQueue, Place
from worker.store.records import JobRequest, Priority

OwnersOf = Callable[[Priority, Sequence[str]], Mapping[str, str]]


class Turns:
    """owners_of: of jobs of a priority, by id."""

    def __init__(self, queue: JobQueue, owners_of: OwnersOf) -> None:
        self._queue = queue
        self._owners_of = owners_of
        self._lines: dict[str, _Line] = {}  # by the queue's key in Redis
        self._insertions = 0  # of which they know
        self._lock = threading.Lock()

    def enqueue(self, request: JobRequest) -> None:
        """Queues the job where its turn is."""
        with self._lock:  # those of one process would only make each other begin anew
            try:
                place = self._queue.insert(request, partial(self._place, request))
            except BaseException:
                self._lines.clear()  # it may be there
                raise
            self._insertions += place.before is not None
            self._lines[place.key].insert(request.id, request.owner, place.before)

    def _place(self, request: JobRequest, redis: Redis, keys: Sequence[str]) -> Place:
        self._follow(redis, request.priority, keys)
        lines = [self._lines[key] for key in keys]
        owners = lines[0].owners if len(lines) == 1 else [owner for line in lines for owner in line.owners]
        at = turn(owners, request.owner, sum((line.held for line in lines), Counter[str]()))
        for key, line in zip(keys, lines, strict=True):
            if at < len(line.ids):
                return Place(key, line.ids[at])
            at -= len(line.ids)
        return Place(keys[-1])

    def _follow(self, redis: Redis, priority: Priority, keys: Sequence[str]) -> None:
        """Brings what is remembered of these queues up to date."""
        insertions, found = read_ends(redis, keys)
        if insertions != self._insertions:
            self._lines.clear()
        self._insertions = insertions
        for key, ends in zip(keys, found, strict=True):
            line = self._lines.get(key)
            new = None if line is None else line.follow(ends)
            if line is None or new is None:
                line = self._lines[key] = _Line()
                new = ends.tail if ends.are_all else read_ids(redis, key)
            owners = self._owners_of(priority, new) if new else {}
            for job_id in new:
                line.insert(job_id, owners[job_id])


class _Line:
    """A queue as it was seen last: ids and owners of its jobs, the next one first. held: jobs of each owner."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.owners: list[str] = []
        self.held: Counter[str] = Counter()

    def follow(self, ends: QueueEnds) -> Sequence[str] | None:
        """Forgets the jobs that were taken since and returns those that came to the end; None if more has become of the
        queue. Right as long as nobody put a job elsewhere: if as many jobs are gone as stood before the one that is the
        next now, no other is gone."""
        if not self.ids or self.ids[-1] not in ends.tail or ends.head not in self.ids:
            return None
        taken = self.ids.index(ends.head)
        new = ends.tail[ends.tail.index(self.ids[-1]) + 1 :]
        if ends.length != len(self.ids) - taken + len(new):
            return None
        self.held -= Counter(self.owners[:taken])
        del self.ids[:taken], self.owners[:taken]
        return new

    def insert(self, job_id: str, owner: str, before: str | None = None) -> None:
        at = len(self.ids) if before is None else self.ids.index(before)
        self.ids.insert(at, job_id)
        self.owners.insert(at, owner)
        self.held[owner] += 1
