"""How long what has ended is kept. The janitor calls it for each ended job, and it decides by the job's own files."""

from __future__ import annotations

import logging

from redis.exceptions import RedisError

from worker.maintenance.retention_periods import RetentionPeriods
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, JobStore
from worker.store.records import JobRequest, Outcome
from worker.webhooks.outbox import Outbox

log = logging.getLogger(__name__)


class Retention:
    """Removes what is kept no longer. A file that somebody reads meanwhile stays readable for them."""

    def __init__(
        self, store: JobStore, queue: JobQueue, events: Events, keep: RetentionPeriods, timing: Timing = Timing()
    ) -> None:
        self._store = store
        self._queue = queue
        self._events = events
        self._keep = keep
        self._timing = timing
        self._outbox = Outbox(store)

    def look_after(self, request: JobRequest, outcome: Outcome, now: float) -> None:
        """now: unix seconds."""
        age = now - outcome.ended_at
        if request.kind == "sync" or age >= min(self._keep.audio, self._keep.jobs):
            self._store.drop_source(request.id)  # a client that waits may have gone with an earlier API process
        if self._is_done_with(request, age, now) and not self._owes_a_call(request, now):
            self._forget(request)
        else:
            self._store.drop_checkpoints(request.id)  # of a job that was canceled between two attempts

    def _is_done_with(self, request: JobRequest, age: float, now: float) -> bool:
        if request.kind == "job":
            return age >= self._keep.jobs
        answered_at = self._store.answered_at(request.id)
        if answered_at is None:
            return age >= self._timing.unanswered
        return now - answered_at >= self._timing.answered

    def _owes_a_call(self, request: JobRequest, now: float) -> bool:
        """Whether a receiver is still to be told, by a link to this very job."""
        delivery = self._outbox.delivery(request)
        if delivery is None or delivery.is_settled:
            return False
        return (delivery.next_at or now) > now - self._timing.overdue

    def _forget(self, request: JobRequest) -> None:
        try:
            self._store.delete(request.id)
        except JobNotFound:  # its owner was quicker
            return
        log.info("Job %s is removed: it ended long enough ago", request.id)
        try:
            self._queue.forget(request.id)
            self._events.forget(request.id)
        except RedisError as error:  # what it has there runs out by itself
            log.warning("Redis could not be told that %s is removed: %s", request.id, error)
