"""Keeps store and Redis in step. Run every few seconds by every API and worker.

takeover  each time  jobs in dead workers' hands; under a lock of its own, so that nothing slow holds it up
pass      once a minute, by one of all processes: what has not ended, and what has ended and is due
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from redis import Redis
from redis.exceptions import LockError
from redis.lock import Lock

from worker.fleet.clock import Clock
from worker.maintenance.damaged_jobs import DamagedJobs
from worker.maintenance.known_ends import KnownEnds
from worker.maintenance.retention import Retention
from worker.maintenance.retention_periods import RetentionPeriods
from worker.maintenance.unmet_needs import UnmetNeeds
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.runtime.connection import KEY_PREFIX
from worker.runtime.timing import Timing
from worker.store.index.job_index import Seen
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.store.records import JobRequest
from worker.telemetry.instruments import MAINTENANCE_PASS

KEEP_A_WEEK = RetentionPeriods()
LOCK = f"{KEY_PREFIX}maintenance"  # of takeovers
PASS_LOCK = f"{KEY_PREFIX}maintenance:pass"
NEXT = f"{KEY_PREFIX}maintenance:next"  # unix seconds from which on another pass is due
MISSING = f"{KEY_PREFIX}maintenance:missing"  # jobs that RQ did not know at the last pass, and since when
KNOWN = f"{KEY_PREFIX}known"  # set once store and queues have been put in step; gone if Redis lost its contents

ENDED_AT_ONCE = 1000  # jobs that a pass looks at; those beyond have their turn with the next round
REST = 0.005  # seconds at most after each look at a job in a shared store
CLAIMS_AT_ONCE = 0.2  # seconds of a pass for the claims of idempotency keys

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
        clock: Clock = Clock(),
    ) -> None:
        self._store = store
        self._queue = queue
        self._events = events
        self._redis = redis
        self._timing = timing
        self._clock = clock
        self._retention = Retention(store, queue, events, keep, timing)
        self._known = KnownEnds(redis, store, self._retention.due_at)
        self._damaged = DamagedJobs(store, timing)
        self._unmet = UnmetNeeds(redis, queue, timing)
        self._rules = f"audio {keep.audio} s, jobs {keep.jobs} s"
        self._is_new = True
        self._took_over_at = float("-inf")  # monotonic seconds
        self._empty_since: float | None = None

    def run_once(self) -> None:
        if not self._take_over():
            return
        with self._turn(PASS_LOCK, self._timing.maintenance_lock) as is_ours:
            if is_ours:
                self._queue_due()
                if self._is_due(time.monotonic()):
                    with MAINTENANCE_PASS.time():
                        self._pass()

    def _take_over(self) -> bool:
        """Returns whether no other process was at it."""
        with self._turn(LOCK, self._timing.takeover_lock) as is_ours:
            if is_ours:
                self._queue.recover_abandoned(time.monotonic())
                self._unmet.open(time.monotonic())
        self._took_over_at = time.monotonic()
        return is_ours

    @contextmanager
    def _turn(self, key: str, seconds: float) -> Iterator[bool]:
        """Whether no other process is at it."""
        lock = Lock(self._redis, key, timeout=seconds)
        is_ours = lock.acquire(blocking=False)
        try:
            yield is_ours
        finally:
            if is_ours:
                with suppress(LockError):  # it ran out meanwhile and may be another's now
                    lock.release()

    def _pass(self) -> None:
        if self._is_new:
            self._store.index.obey(self._rules)
        missing, has_more = self._reconcile()
        self._store.sweep_incoming(self._timing.partial)
        self._store.claims.sweep(self._store.has, CLAIMS_AT_ONCE)
        wait = self._timing.second_look if missing else 0.0 if has_more else self._timing.reconcile
        with self._redis.pipeline() as pipeline:
            pipeline.delete(MISSING)
            if missing:
                pipeline.zadd(MISSING, missing)
            pipeline.set(NEXT, self._clock.now() + wait)
            pipeline.set(KNOWN, "1")
            pipeline.execute()
        self._is_new = False

    def _queue_due(self) -> None:
        """Queues jobs that were put aside and are due. One that Redis lost as it was is found at the next look at all
        jobs."""
        for job_id in self._queue.take_due(self._clock.now()):
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
        """Whether another pass is due; a process makes one as it starts. Redis that came back empty is filled again as
        soon as those that still run have made themselves known."""
        known, next_at = self._redis.mget(KNOWN, NEXT)
        if known is not None:
            self._empty_since = None
            return self._is_time(float(next_at or 0) - self._clock.now())
        if self._empty_since is None:
            log.info("Redis knows of no jobs: what the store has is queued in %.0f s", self._timing.settle)
            self._empty_since = now
        return now - self._empty_since >= self._timing.settle

    def _is_time(self, seconds: float) -> bool:
        """seconds: until the next pass. Of a shared store many processes may start, and none needs one of its own."""
        return not 0 < seconds <= self._timing.reconcile or (self._is_new and not self._store.is_shared)

    def _reconcile(self) -> tuple[dict[str, float], bool]:
        """Returns the jobs that are in no queue and may be on their way there, with since when, and whether more jobs
        are due."""
        live, before = self._queue.live_ids(), self._missing_before()
        missing: dict[str, float] = {}
        damaged: set[str] = set()
        looked_at = 0
        for seen in self._store.catalog.not_ended():
            with self._looking(seen, damaged):
                if seen.id not in live and not self._has_ended(seen):
                    self._revive(self._store.request(seen.id), before, missing)
        for seen in self._due(self._clock.now()):
            looked_at += self._store.is_shared or seen.revision is not None  # else, without an index, these are all
            began = time.monotonic()
            with self._looking(seen, damaged):
                self._has_ended(seen)
            if self._store.is_shared:  # others ask it, too
                time.sleep(min(time.monotonic() - began, REST))
        self._damaged.forget_others(damaged)
        if missing:  # while the store was listed others have come, and are in their queues by now
            missing = {job_id: missing[job_id] for job_id in missing.keys() - self._queue.live_ids()}
        return missing, looked_at >= ENDED_AT_ONCE

    def _due(self, now: float) -> Iterable[Seen]:
        seen = self._store.catalog.due(now, ENDED_AT_ONCE)
        return self._known.due(seen, now, ENDED_AT_ONCE) if self._store.is_shared else seen

    def _missing_before(self) -> dict[str, float]:
        rows: Any = self._redis.zrange(MISSING, 0, -1, withscores=True)
        return {job_id.decode(): since for job_id, since in rows}

    @contextmanager
    def _looking(self, seen: Seen, damaged: set[str]) -> Iterator[None]:
        """One job that cannot be read must not stop the others, and many hold up no takeover."""
        if time.monotonic() - self._took_over_at >= self._timing.maintenance:
            self._take_over()
        try:
            yield
        except JobNotFound:
            return  # deleted while we looked
        except RecordBroken as error:
            damaged.add(seen.id)
            self._damaged.found(seen.id, error, time.monotonic())
            if error.newer is not None:
                again_at = self._clock.now() + self._timing.index_scan
                self._store.index.put_off(seen, again_at)
                self._known.put_off(seen, again_at)
        except OSError:
            log.exception("The record of %s cannot be read", seen.id)

    def _has_ended(self, seen: Seen) -> bool:
        outcome = self._store.outcome(seen.id)
        if outcome is None:
            return False
        request = self._store.request(seen.id)
        again_at = self._retention.look_after(request, outcome, self._clock.now())
        if again_at is not None:
            self._store.index.looked_at(seen, outcome.state, again_at)
            self._known.looked_at(seen, request, outcome, again_at)
        return True

    def _revive(self, request: JobRequest, before: dict[str, float], missing: dict[str, float]) -> None:
        """A job without an outcome that is in no queue and in nobody's hands. It may be on its way into the queue this
        very moment, so it is queued again only when it has been missing for a while, or is older than that. One that
        was put aside is not queued before it is due."""
        now = self._clock.now()
        retry = self._store.retry(request.id)
        if retry and not retry.is_due(now):
            return
        since = before.get(request.id, now)
        is_young = request.created_at >= now - self._timing.reconcile
        if is_young and (since == now or 0 < now - since < self._timing.second_look):
            missing[request.id] = since
            return
        log.info("Job %s was not in its queue: queued again", request.id)
        self._queue.enqueue(request)
