"""Who runs which job. A lease is an entry of RQ's registry of started jobs; whoever changes it, changes it whole.

queue ─► slot takes the job: lease for 30 s ─► renewed every 5 s ─► dropped as the job ends
  ▲                                  │ worker dead, or silent for the length of a lease
  └───── passed on, in one step ◄────┘
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.client import Pipeline
from rq.job import JobStatus

from worker.fleet.clock import Clock
from worker.fleet.needs import list_queue
from worker.queue.queued_job import INSERTIONS
from worker.runtime.timing import Timing
from worker.telemetry.instruments import TAKEOVERS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """One run of one job, by a slot of this queue. The names are RQ's."""

    queue: str
    job_id: str
    execution_id: str

    @property
    def member(self) -> str:
        return f"{self.job_id}:{self.execution_id}"


class Leases:
    """The leases of all jobs in these queues. clock: Redis', or a worker whose own is wrong would seem silent."""

    def __init__(self, redis: Redis, queues: Sequence[str], timing: Timing = Timing(), clock: Clock = Clock()) -> None:
        self._redis = redis
        self._queues = tuple(queues)
        self._timing = timing
        self._clock = clock
        self._expired: dict[Lease, float] = {}  # since when, in monotonic seconds

    def take(self, job_id: str, begin: Callable[[Pipeline], None]) -> bool:
        """Calls `begin` with the transaction that is to make the lease; returns False if somebody runs the job."""

        def change(pipeline: Pipeline) -> bool:
            is_held = _ends(pipeline, self._queues, job_id) > self._clock.now()
            pipeline.multi()
            if not is_held:
                begin(pipeline)
            return not is_held

        return self._whole(change, *map(_wip, self._queues))

    def ids(self) -> set[str]:
        """All jobs that run, or that nobody has taken from a silent worker yet."""
        return {lease.job_id for lease, _ in self._all()}

    def renew(self, lease: Lease) -> bool:
        """Whether the run may go on. A lease that went with the contents of Redis is made anew, and a job that was
        given back to its queue while we were silent is taken out again; one that another runs is lost."""
        ends = {lease.member: self._clock.now() + self._timing.lease}
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zadd(_wip(lease.queue), ends, xx=True)
            pipeline.zscore(_wip(lease.queue), lease.member)
            _, ends_at = pipeline.execute()
        if ends_at is not None:
            return True
        return self._whole(lambda pipeline: self._take_back(pipeline, lease), *self._keys(lease.job_id))

    def pass_on(self, lease: Lease, queue: str, *, at_front: bool) -> bool:
        """Puts the job into a queue and ends the lease; returns False if that had ended already."""
        keys = (_wip(lease.queue), _job(lease.job_id))
        return self._whole(lambda pipeline: _pass_on(pipeline, lease, queue, at_front), *keys)

    def held_by(self, is_theirs: Callable[[str], bool]) -> list[str]:
        """The jobs in the hands of these workers. is_theirs: by RQ's worker name."""
        return [lease.job_id for lease, _ in self._all() if is_theirs(self._worker(lease))]

    def release_of(self, is_theirs: Callable[[str], bool]) -> int:
        """Gives the jobs of these workers back to their queues; returns how many. is_theirs: by RQ's worker name."""
        released = 0
        for lease, _ in self._all():
            if is_theirs(self._worker(lease)) and self.pass_on(lease, lease.queue, at_front=True):
                log.warning("Job %s was in a dead worker's hands: it goes on with another", lease.job_id)
                TAKEOVERS.inc()
                released += 1
        return released

    def release_expired(self, now: float) -> None:
        """Gives jobs back whose lease ran out and stays so. now: monotonic seconds."""
        silent = {lease for lease, ends in self._all() if ends <= self._clock.now()}
        self._expired = {lease: since for lease, since in self._expired.items() if lease in silent}
        for lease in silent:
            if now - self._expired.setdefault(lease, now) < self._timing.confirm:
                continue
            if self.pass_on(lease, lease.queue, at_front=True):
                log.warning("The worker of job %s is silent: it goes on with another", lease.job_id)
                TAKEOVERS.inc()

    def _all(self) -> Iterator[tuple[Lease, float]]:
        """Every lease and when it ends, in unix seconds."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for queue in self._queues:
                pipeline.zrange(_wip(queue), 0, -1, withscores=True)
            found: list[Any] = pipeline.execute()
        for queue, rows in zip(self._queues, found, strict=True):
            for member, ends in rows:
                job_id, _, execution_id = member.decode().rpartition(":")
                yield Lease(queue, job_id, execution_id), float(ends)

    def _worker(self, lease: Lease) -> str:
        name: Any = self._redis.hget(_execution(lease), "worker_name")
        return name.decode() if name else ""

    def _take_back(self, pipeline: Pipeline, lease: Lease) -> bool:
        is_known = pipeline.exists(_job(lease.job_id))
        waiting = [queue for queue in self._queues if _lists(pipeline, queue, lease.job_id)]
        others = bool(_ends(pipeline, self._queues, lease.job_id))
        pipeline.multi()
        if others or (is_known and not waiting):
            return False
        for queue in waiting:
            pipeline.lrem(_list(queue), 0, lease.job_id)
        if is_known:
            pipeline.hset(_job(lease.job_id), mapping={"status": JobStatus.STARTED.value, "origin": lease.queue})
        pipeline.zadd(_wip(lease.queue), {lease.member: self._clock.now() + self._timing.lease})
        return True

    def _whole(self, change: Callable[[Pipeline], bool], *keys: str) -> bool:
        """Makes the change again where one of the keys was touched meanwhile."""
        is_made: Any = self._redis.transaction(change, *keys, value_from_callable=True)  # type: ignore[arg-type]
        return bool(is_made)

    def _keys(self, job_id: str) -> list[str]:
        return [_job(job_id), *map(_wip, self._queues), *map(_list, self._queues)]


def _pass_on(pipeline: Pipeline, lease: Lease, queue: str, at_front: bool) -> bool:
    is_held = pipeline.zscore(_wip(lease.queue), lease.member) is not None
    is_known = pipeline.exists(_job(lease.job_id))
    pipeline.multi()
    _drop(pipeline, lease)
    if not is_held or not is_known:
        return False
    pipeline.hset(_job(lease.job_id), mapping={"status": JobStatus.QUEUED.value, "origin": queue})
    list_queue(pipeline, queue)
    if at_front:
        pipeline.lpush(_list(queue), lease.job_id)
        pipeline.incr(INSERTIONS)
    else:
        pipeline.rpush(_list(queue), lease.job_id)
    return True


def _drop(pipeline: Pipeline, lease: Lease) -> None:
    pipeline.zrem(_wip(lease.queue), lease.member)
    pipeline.zrem(f"rq:executions:{lease.job_id}", lease.execution_id)
    pipeline.delete(_execution(lease))


def _lists(pipeline: Pipeline, queue: str, job_id: str) -> bool:
    return job_id.encode() in pipeline.lrange(_list(queue), 0, -1)


def _ends(pipeline: Pipeline, queues: Sequence[str], job_id: str) -> float:
    """When the last lease of the job in these queues ends, in unix seconds; 0 for none."""
    rows: Any = pipeline.zunion([_wip(queue) for queue in queues], aggregate="MAX", withscores=True)
    return max((float(ends) for member, ends in rows if member.startswith(job_id.encode() + b":")), default=0.0)


def _wip(queue: str) -> str:
    return f"rq:wip:{queue}"


def _list(queue: str) -> str:
    return f"rq:queue:{queue}"


def _job(job_id: str) -> str:
    return f"rq:job:{job_id}"


def _execution(lease: Lease) -> str:
    return f"rq:execution:{lease.member}"
