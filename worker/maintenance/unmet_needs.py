"""Jobs that wait for workers which are there no more, in the queues from which not every worker takes.

batch:base ─► nobody has served it for a while, or the job has waited for one engine for long enough ─► head of batch

There any worker takes them, and says of what nobody can do that it waits, and why.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis import Redis

from worker.fleet.needs import KEY, Need, kind_of, need_of, special_queues
from worker.queue.heartbeat import Takers
from worker.queue.job_queue import QUEUES, JobQueue
from worker.queue.queued_job import INSERTIONS
from worker.runtime.timing import Timing


class UnmetNeeds:
    def __init__(self, redis: Redis, queue: JobQueue, timing: Timing) -> None:
        self._redis = redis
        self._queue = queue
        self._timing = timing
        self._takers = Takers(redis, timing)
        self._since: dict[str, float] = {}  # when a queue was first seen without a worker, in monotonic seconds

    def open(self, now: float) -> None:
        """Moves what has waited for long enough. now: monotonic seconds."""
        names = [
            name for name in special_queues(self._redis) if kind_of(name) in QUEUES
        ]  # others are another program's
        waiting = {name: need for name in names if self._ids(name) and (need := need_of(name))}
        unmet = {name for name, need in waiting.items() if not self._is_met(need)}
        self._since = {name: self._since.get(name, now) for name in unmet}
        for name, need in waiting.items():
            if name in unmet and now - self._since[name] >= self._timing.unmet:
                self._move(name, self._ids(name))
            elif name not in unmet and need.engine:
                self._move(name, [job_id for job_id in self._ids(name) if not self._queue.engine_wait.goes_on(job_id)])

    def _is_met(self, need: Need) -> bool:
        return any(taker.meets(need) for taker in self._takers.all())

    def _ids(self, name: str) -> list[str]:
        return [job_id.decode() for job_id in self._redis.lrange(KEY.format(name), 0, -1)]  # type: ignore[union-attr]

    def _move(self, name: str, ids: Sequence[str]) -> None:
        """To the head of the common queue, where they stand as they stood. One that a slot takes this moment stands
        there as well, which is harmless: it is dropped as one that runs."""
        for job_id in reversed(ids):
            with self._redis.pipeline() as pipeline:
                pipeline.lrem(KEY.format(name), 1, job_id)
                pipeline.lpush(KEY.format(kind_of(name)), job_id)
                pipeline.incr(INSERTIONS)
                pipeline.execute()
