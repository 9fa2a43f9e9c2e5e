"""How long what has ended is kept. The janitor calls it for each ended job, and it decides by the job's own files."""

from __future__ import annotations

import logging

from redis.exceptions import RedisError

from worker.jobs.expiry import Expiry
from worker.maintenance.known_ends import KnownEnd
from worker.maintenance.retention_periods import RetentionPeriods
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.index.job_row import Ended
from worker.store.job_store import JobNotFound, JobStore
from worker.store.records import JobRequest, Kind, Outcome
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
        self._expiry = Expiry(store, keep.jobs, timing)
        self._timing = timing
        self._outbox = Outbox(store)

    def look_after(self, request: JobRequest, outcome: Outcome, now: float) -> float | None:
        """Removes what is due; returns when there is more to do, in unix seconds, or None if the job is gone. now: unix
        seconds."""
        audio_until = self._audio_until(request.kind, outcome.ended_at)
        until = self._expiry.at(request, outcome)
        if now >= audio_until:
            self._store.drop_source(request.id)  # a client that waits may have gone with an earlier API process
        if now >= until and not self._owes_a_call(request, now):
            self._forget(request)
            return None
        self._store.drop_checkpoints(request.id)  # of a job that was canceled between two attempts
        if now >= until:
            return now + self._timing.reconcile
        return until if now >= audio_until else audio_until

    def due_at(self, listed: Ended | None, known: KnownEnd | None) -> float:
        """When a job is to be looked at, in unix seconds, by what a list of a shared store has of it and what is known
        of its end, if that is."""
        if listed is None or listed.has_left:
            return 0.0
        if known is None:
            is_answered = listed.answered_at is not None and not listed.has_recording  # as only clips are
            return self._expiry.after("sync", 0.0, listed.answered_at) if is_answered else 0.0
        until = self._expiry.after(known.kind, known.ended_at, listed.answered_at)
        return min(until, self._audio_until(known.kind, known.ended_at)) if listed.has_recording else until

    def _audio_until(self, kind: Kind, ended_at: float) -> float:
        return ended_at + (0.0 if kind == "sync" else min(self._keep.audio, self._keep.jobs))

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
            self._events.deleted(request.id, request.owner)
        except RedisError as error:  # what it has there runs out by itself
            log.warning("Redis could not be told that %s is removed: %s", request.id, error)
