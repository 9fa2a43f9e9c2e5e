"""The jobs that wait in a queue, as far as limits and turns are concerned."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """seconds: of audio, as its file declares."""

    owner: str = ""
    seconds: float = 0.0


class WaitingJobs:
    """Those of one queue by id, as of the last look and with what came since, and their sums. seconds: of audio.

    looking: held by the thread that looks, from `begin_look` to `end_look`. All else is for one thread at a time."""

    def __init__(self) -> None:
        self.looking = threading.Lock()
        self.looked_at = float("-inf")  # monotonic seconds
        self._came: dict[str, WaitingJob] = {}  # since a look began, which does not know of them
        self._set({})

    def _set(self, jobs: Mapping[str, WaitingJob]) -> None:
        self.by_id = dict(jobs)
        self.seconds = 0.0
        self.count_of: Counter[str] = Counter()  # by owner
        self._seconds_of: dict[str, float] = {}
        for job in self.by_id.values():
            self._count(job)

    def _count(self, job: WaitingJob) -> None:
        self.seconds += job.seconds
        self.count_of[job.owner] += 1
        self._seconds_of[job.owner] = self.seconds_of(job.owner) + job.seconds

    def seconds_of(self, owner: str) -> float:
        return self._seconds_of.get(owner, 0.0)

    def add(self, job_id: str, job: WaitingJob) -> None:
        self.remove(job_id)
        self.by_id[job_id] = self._came[job_id] = job
        self._count(job)

    def remove(self, job_id: str) -> None:
        self._came.pop(job_id, None)
        if job_id in self.by_id:  # it is rare, and seconds that are taken off again would leave a rest
            self._set({other: job for other, job in self.by_id.items() if other != job_id})

    def is_of_the_last(self, seconds: float) -> bool:
        return time.monotonic() - self.looked_at < seconds

    def begin_look(self) -> float:
        self._came = {}
        return time.monotonic()

    def end_look(self, jobs: Mapping[str, WaitingJob], began: float) -> None:
        self._set({**jobs, **self._came})
        self.looked_at = began
