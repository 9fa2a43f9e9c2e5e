"""A slot as RQ knows workers: `rq info` and the dashboard list it with its state, its job and what it has done."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from redis import Redis
from redis.client import Pipeline
from rq import Queue, worker_registration
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import BaseWorker
from rq.worker.base import WorkerStatus

KEPT = 4  # times that a record is written anew, if nothing happens, before it would be forgotten


class WorkerRecord:
    """The record of one slot. It is written whole each time, so that a Redis that lost it has it again soon.

    ttl: seconds it lives without being written; longer than any pause between two.
    """

    def __init__(self, name: str, queue: Queue, redis: Redis, ttl: int) -> None:
        self.name = name
        self._redis = redis
        self._ttl = ttl
        self._worker = BaseWorker([queue], name=name, connection=redis, worker_ttl=ttl, serializer=queue.serializer)
        self._worker.birth_date = now()
        self._state = WorkerStatus.IDLE
        self._written_at = float("-inf")  # monotonic seconds
        self._is_removed = False

    def show(self, state: WorkerStatus, pipeline: Pipeline | None = None) -> None:
        """Says what the slot does, and that it lives."""
        self._state = state
        if pipeline is not None:
            self._write(state, pipeline)
            return
        with self._redis.pipeline() as own:
            self._write(state, own)
            own.execute()

    def keep(self, state: WorkerStatus | None = None) -> None:
        """Says what the slot does, and that it lives, unless that was said already. state: None for what it did."""
        is_old = time.monotonic() - self._written_at > self._ttl / KEPT
        if is_old or state not in (None, self._state):
            self.show(state or self._state)

    def count_success(self, since: datetime, pipeline: Pipeline) -> None:
        """since: when the run began."""
        self._worker.increment_successful_job_count(pipeline)
        self._worker.increment_total_working_time(now() - since, pipeline)

    def count_failure(self, since: datetime, pipeline: Pipeline) -> None:
        """since: when the run began."""
        self._worker.increment_failed_job_count(pipeline)
        self._worker.increment_total_working_time(now() - since, pipeline)

    def remove(self) -> None:
        """For good: a late word of another thread does not list it again."""
        self._is_removed = True
        self._worker.register_death()  # type: ignore[no-untyped-call]  # RQ has no types here

    def _write(self, state: WorkerStatus, pipeline: Pipeline) -> None:
        if self._is_removed:
            return
        self._written_at = time.monotonic()
        self._worker.last_heartbeat = now()
        pipeline.hset(self._worker.key, mapping={**self._worker.serialize(), "state": state.value})
        worker_registration.register(self._worker, pipeline)
        pipeline.expire(self._worker.key, self._ttl)
        pipeline.expire(self._worker.executions_key, self._ttl)


def remove_dead(redis: Redis, is_dead: Callable[[str], bool]) -> None:
    """Takes the slots of processes that are known to be gone off the list. is_dead: by a slot's name."""
    for key in worker_registration.get_keys(connection=redis):
        if is_dead(key.removeprefix(BaseWorker.redis_worker_namespace_prefix)):
            worker = BaseWorker.find_by_key(key, connection=redis, serializer=JSONSerializer)
            if worker is not None:
                worker.register_death()  # type: ignore[no-untyped-call]  # RQ has no types here
