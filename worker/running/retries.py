"""Jobs put aside for trouble that is not theirs, and how long they are: the store has it, so a restart changes nothing.

trouble ─► retry.json ─► Postponed ─► RQ's list of scheduled jobs ─► maintenance queues it when it is due
                                      (lost with Redis: maintenance finds it by retry.json)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from worker.fleet.clock import Clock
from worker.queue.run_end import Postponed
from worker.runtime.timing import Timing
from worker.store.job_store import JobStore
from worker.store.records import JobError, Retry


@dataclass(frozen=True, slots=True)
class Patience:
    """name: what it is for. period: seconds of pauses after which a job is given up. longest: of one pause."""

    name: str
    period: float
    longest: float


class Retries:
    """Which trouble a job has had, and whether it may be tried again."""

    def __init__(self, store: JobStore, timing: Timing = Timing(), clock: Clock = Clock()) -> None:
        self._clock = clock
        self._store = store
        self._first = timing.retry_first
        self.passing = Patience("passing", timing.retry_period, timing.retry_longest)
        self._soon = timing.maintenance
        self._later = min(timing.reconcile, timing.retry_longest)
        self.unserved = Patience("unserved", timing.unserved, self._later)
        self.no_room = Patience("no_room", math.inf, self._later)

    def later(self, why: str) -> Postponed:
        """For a job that this store has no record of, so nothing can be kept of it."""
        return Postponed(why, self._clock.now() + self._later)

    def soon(self, why: str) -> Postponed:
        """For a job that another worker can do, who may be about to take one."""
        return Postponed(why, self._clock.now() + self._soon)

    def put_aside(
        self, job_id: str, cause: JobError, patience: Patience, *, has_progressed: bool = False
    ) -> Postponed | None:
        """None if the job has been tried for long enough. Raises OSError if that cannot be kept, JobNotFound.

        has_progressed: whether the run got further than all before it, which makes its trouble the first. So does
        waiting with another patience: hours without room must not end a job whose source then fails once.
        """
        now, before = self._clock.now(), self._store.retry(job_id)
        retry = Retry(cause, 1, now, min(self._first, patience.longest), patience=patience.name)
        if before and not has_progressed and before.patience in ("", patience.name):
            counts = before.is_due(now)  # a run before its time, after a requeue by hand, takes no try away
            waited = before.waited + (before.pause if counts else 0.0)
            if counts and waited >= patience.period:
                return None
            pause = min(before.pause * 2 if counts else before.pause, patience.longest)
            retry = Retry(cause, before.tries + 1, now, pause, waited, patience.name)
        self._store.put_aside(job_id, retry)
        return Postponed(f"{cause.code}: {cause.message} It is tried again.", retry.due_at)
