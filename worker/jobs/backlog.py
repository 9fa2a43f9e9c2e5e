"""How much waits in the queues, and whether there is room for more. Every call blocks: run it in a thread."""

from __future__ import annotations

import threading
import time

from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.store.records import JobRequest, Priority


class QueueFull(Exception):
    """No further job fits now; says why, and what to do."""


class Backlog:
    """The limits of each queue, on jobs that wait and on their hours of audio."""

    def __init__(
        self, store: JobStore, queue: JobQueue, *, max_jobs: int, max_hours: float, timing: Timing = Timing()
    ) -> None:
        self._fresh = timing.backlog
        self._store = store
        self._queue = queue
        self._most_jobs = max_jobs
        self._most_seconds = max_hours * 3600
        self._waiting: dict[Priority, dict[str, float]] = {}  # seconds of audio by id, at the last look and since
        self._looked_at: dict[Priority, float] = {}
        self._lock = threading.Lock()

    def check(self, priority: Priority, coming: int) -> None:
        """Raises QueueFull if no further job fits. coming: uploads that are under way, this one included."""
        waiting = self._queue.length(priority)
        if waiting + coming > self._most_jobs:
            raise _full(f"{waiting} jobs wait already, and {self._most_jobs} may (WHISPER_MAX_QUEUED_JOBS)")
        if waiting:
            self._check_seconds(priority, 0.0)

    def admit(self, request: JobRequest) -> None:
        """Raises QueueFull if the job does not fit. One recording always does if nothing waits, however long."""
        with self._lock:
            self._check_seconds_held(request.priority, request.declared_seconds)
            self._waiting[request.priority][request.id] = request.declared_seconds

    def withdraw(self, request: JobRequest) -> None:
        """The job was admitted and did not come to be."""
        with self._lock:
            self._waiting.get(request.priority, {}).pop(request.id, None)

    def _check_seconds(self, priority: Priority, more: float) -> None:
        with self._lock:
            self._check_seconds_held(priority, more)

    def _check_seconds_held(self, priority: Priority, more: float) -> None:
        waiting = sum(self._look(priority).values())
        is_full = waiting + more > self._most_seconds if more else waiting >= self._most_seconds
        if waiting and is_full:
            hours = f"{waiting / 3600:.1f} hours of audio wait already"
            raise _full(f"{hours}, and {self._most_seconds / 3600:g} may (WHISPER_MAX_QUEUED_HOURS)")

    def _look(self, priority: Priority) -> dict[str, float]:
        now = time.monotonic()
        if now - self._looked_at.get(priority, float("-inf")) >= self._fresh:
            known = self._waiting.get(priority, {})
            ids = self._queue.waiting_ids(priority)
            self._waiting[priority] = {
                job_id: known[job_id] if job_id in known else self._read(job_id) for job_id in ids
            }
            self._looked_at[priority] = now
        return self._waiting[priority]

    def _read(self, job_id: str) -> float:
        try:
            return self._store.request(job_id).declared_seconds
        except (JobNotFound, RecordBroken):
            return 0.0


def _full(why: str) -> QueueFull:
    return QueueFull(f"The queue is full: {why}. Send it again later, or raise the limit in the server's .env.")
