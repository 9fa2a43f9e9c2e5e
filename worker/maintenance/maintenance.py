"""Keeps store and Redis in step. Run every few seconds by every API and worker; a lock lets one at a time work."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from redis import Redis
from redis.exceptions import LockError
from redis.lock import Lock

from worker.maintenance.damaged_jobs import DamagedJobs
from worker.maintenance.retention import Retention
from worker.maintenance.retention_periods import RetentionPeriods
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.runtime.connection import KEY_PREFIX
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.store.records import JobRequest

KEEP_A_WEEK = RetentionPeriods()
LOCK = f"{KEY_PREFIX}maintenance"
KNOWN = f"{KEY_PREFIX}known"  # set once store and queues have been put in step; gone if Redis lost its contents

log = logging.getLogger(__name__)


class Maintenance:
    """What has to be put right now and then. `run_once` does what is due."""

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        events: Events,
        redis: Redis,
        keep: RetentionPeriods = KEEP_A_WEEK,
        timing: Timing = Timing(),
    ) -> None:
        self._store = store
        self._queue = queue
        self._events = events
        self._redis = redis
        self._timing = timing
        self._retention = Retention(store, queue, events, keep, timing)
        self._damaged = DamagedJobs(store, timing)
        self._reconcile_at = float("-inf")
        self._missing: set[str] = set()  # jobs RQ did not know at the last look
        self._empty_since: float | None = None

    def run_once(self) -> None:
        lock = Lock(self._redis, LOCK, timeout=self._timing.maintenance_lock)
        if not lock.acquire(blocking=False):
            return
        try:
            self._queue.recover_abandoned(time.monotonic())
            self._queue_due()
            if self._is_due(time.monotonic()):
                self._reconcile()
                self._store.sweep_incoming(self._timing.partial)
                self._store.claims.sweep(self._store.has)
                self._redis.set(KNOWN, "1")
                wait = self._timing.second_look if self._missing else self._timing.reconcile
                self._reconcile_at = time.monotonic() + wait
        finally:
            with suppress(LockError):  # it ran out meanwhile and may be another's now
                lock.release()

    def _queue_due(self) -> None:
        """Queues jobs that were put aside and are due. One that Redis lost as it was is found at the next look at all
        jobs."""
        for job_id in self._queue.take_due(time.time()):
            try:
                if self._store.outcome(job_id) is None:
                    self._queue.enqueue(self._store.request(job_id))
                else:
                    self._queue.forget(job_id)
            except JobNotFound:
                self._queue.forget(job_id)
            except (RecordBroken, OSError) as error:
                log.warning("Job %s was put aside and cannot be read: %s", job_id, error)

    def _is_due(self, now: float) -> bool:
        """Whether to look at all jobs. Redis that came back empty is filled again as soon as those that still run
        have made themselves known."""
        if self._redis.exists(KNOWN):
            self._empty_since = None
            return now >= self._reconcile_at
        if self._empty_since is None:
            log.info("Redis knows of no jobs: what the store has is queued in %.0f s", self._timing.settle)
            self._empty_since = now
        return now - self._empty_since >= self._timing.settle

    def _reconcile(self) -> None:
        live = self._queue.live_ids()
        missing: set[str] = set()
        damaged: set[str] = set()
        for job_id in self._store.ids():
            try:
                self._look_after(job_id, live, missing)
            except JobNotFound:
                continue  # deleted while we looked
            except RecordBroken as error:
                damaged.add(job_id)
                self._damaged.found(job_id, error, time.monotonic())
            except OSError:  # one job the disk does not give must not stop the others
                log.exception("The record of %s cannot be read", job_id)
        self._missing = missing
        self._damaged.forget_others(damaged)

    def _look_after(self, job_id: str, live: set[str], missing: set[str]) -> None:
        if outcome := self._store.outcome(job_id):
            self._retention.look_after(self._store.request(job_id), outcome, time.time())
        elif job_id not in live:
            self._revive(self._store.request(job_id), missing)

    def _revive(self, request: JobRequest, missing: set[str]) -> None:
        """A job without an outcome that is in no queue and in nobody's hands. It may be on its way into the queue this
        very moment, so it is queued again only when it was missing at two looks in a row, or is older than that. One
        that was put aside is not queued before it is due."""
        retry = self._store.retry(request.id)
        if retry and not retry.is_due(time.time()):
            return
        if request.id in self._missing or request.created_at < time.time() - self._timing.reconcile:
            log.info("Job %s was not in its queue: queued again", request.id)
            self._queue.enqueue(request)
        else:
            missing.add(request.id)
