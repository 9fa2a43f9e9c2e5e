"""How much waits in the queues, and whether there is room for more. Every call blocks: run it in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from worker.jobs.shares import has_share, turn
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.store.records import JobRequest, Priority


class QueueFull(Exception):
    """No further job fits now; says why, and what to do."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One that waits. seconds: of audio, as its file declares."""

    owner: str = ""
    seconds: float = 0.0


class Backlog:
    """The limits of each queue, on jobs that wait and on their hours of audio. is_shared: between owners, of whom none
    may take all of either, and whose jobs take turns."""

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        *,
        max_jobs: int,
        max_hours: float,
        timing: Timing = Timing(),
        is_shared: bool = False,
    ) -> None:
        self._is_shared = is_shared
        self.turn_of = self._turn_of if is_shared else None  # see JobQueue.enqueue
        self._fresh = timing.backlog
        self._store = store
        self._queue = queue
        self._most_jobs = max_jobs
        self._most_seconds = max_hours * 3600
        self._waiting: dict[Priority, dict[str, _Job]] = {}  # by id, at the last look and since
        self._looked_at: dict[Priority, float] = {}
        self._lock = threading.Lock()

    def check(self, priority: Priority, owner: str, coming: int, theirs: int) -> None:
        """Raises QueueFull if no further job of the owner fits. coming: uploads that are under way, this one included;
        theirs: those of the owner."""
        waiting = self._queue.backlog_length(priority)
        if waiting + coming > self._most_jobs:
            raise _full(f"{waiting} jobs wait already, and {self._most_jobs} may (WHISPER_MAX_QUEUED_JOBS)")
        if waiting:
            with self._lock:
                self._check_seconds(priority, owner, 0.0)
        if self._is_shared:
            with self._lock:
                self._check_share(priority, owner, self._most_jobs - waiting - coming + 1, theirs - 1)

    def admit(self, request: JobRequest) -> None:
        """Raises QueueFull if the job does not fit. One recording always does if nothing waits, however long."""
        with self._lock:
            self._check_seconds(request.priority, request.owner, request.declared_seconds)
            self._waiting[request.priority][request.id] = _Job(request.owner, request.declared_seconds)

    def audio_seconds(self, priority: Priority, ids: Collection[str]) -> float:
        """Of those of the priority's waiting jobs that are among these."""
        with self._lock:
            return sum(job.seconds for job_id, job in self._look(priority).items() if job_id in ids)

    def withdraw(self, request: JobRequest) -> None:
        """The job was admitted and did not come to be."""
        with self._lock:
            self._waiting.get(request.priority, {}).pop(request.id, None)

    def _turn_of(self, request: JobRequest, waiting: Sequence[str]) -> str | None:
        known = self._waiting.get(request.priority, {})
        owners = [(known.get(job_id) or self._read(job_id)).owner for job_id in waiting]
        place = turn(owners, request.owner)
        return waiting[place] if place < len(waiting) else None

    def _check_share(self, priority: Priority, owner: str, free: int, coming: int) -> None:
        held = coming + sum(job.owner == owner for job in self._look(priority).values())
        if held and not has_share(free, held):
            raise _share_taken(f"{held} jobs of yours wait, and others may want what is left (WHISPER_MAX_QUEUED_JOBS)")

    def _check_seconds(self, priority: Priority, owner: str, more: float) -> None:
        jobs = self._look(priority).values()
        waiting = sum(job.seconds for job in jobs)
        is_full = waiting + more > self._most_seconds if more else waiting >= self._most_seconds
        if waiting and is_full:
            hours = f"{waiting / 3600:.1f} hours of audio wait already"
            raise _full(f"{hours}, and {self._most_seconds / 3600:g} may (WHISPER_MAX_QUEUED_HOURS)")
        held = sum(job.seconds for job in jobs if job.owner == owner) if self._is_shared else 0.0
        if held and not has_share(self._most_seconds - waiting, held, more or 1.0):
            hours = f"{held / 3600:.1f} hours of your audio wait"
            raise _share_taken(f"{hours}, and others may want what is left (WHISPER_MAX_QUEUED_HOURS)")

    def _look(self, priority: Priority) -> dict[str, _Job]:
        now = time.monotonic()
        if now - self._looked_at.get(priority, float("-inf")) >= self._fresh:
            known = self._waiting.get(priority, {})
            ids = self._queue.waiting_ids(priority)
            self._waiting[priority] = {job_id: known.get(job_id) or self._read(job_id) for job_id in ids}
            self._looked_at[priority] = now
        return self._waiting[priority]

    def _read(self, job_id: str) -> _Job:
        try:
            request = self._store.request(job_id)
        except (JobNotFound, RecordBroken):
            return _Job()
        return _Job(request.owner, request.declared_seconds)


def _share_taken(why: str) -> QueueFull:
    return QueueFull(f"Your share of the queue is taken: {why}. Send it again later, or raise the limit in the .env.")


def _full(why: str) -> QueueFull:
    return QueueFull(f"The queue is full: {why}. Send it again later, or raise the limit in the server's .env.")
