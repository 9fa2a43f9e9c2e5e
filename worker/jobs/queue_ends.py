"""What a look at queues of thousands of jobs shows without reading them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from worker.queue.queued_job import INSERTIONS

TAIL = 32  # ids; a queue that is no longer than this is read whole


@dataclass(frozen=True, slots=True)
class QueueEnds:
    """length: in jobs. head: the next one, empty for none. tail: the last ones, in order."""

    length: int
    head: str
    tail: Sequence[str]

    @property
    def are_all(self) -> bool:
        return len(self.tail) == self.length


def read_ends(redis: Redis, keys: Sequence[str]) -> tuple[int, list[QueueEnds]]:
    """Of each of these queues; and first, how often a job came to any queue elsewhere than at its end."""
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.get(INSERTIONS)
        for key in keys:
            pipeline.llen(key)
            pipeline.lrange(key, 0, 0)
            pipeline.lrange(key, -TAIL, -1)
        insertions, *found = pipeline.execute()
    each = zip(found[::3], found[1::3], found[2::3], strict=True)
    return int(insertions or 0), [
        QueueEnds(length, "".join(_decoded(head)), _decoded(tail)) for length, head, tail in each
    ]


def read_ids(redis: Redis, key: str) -> list[str]:
    """All jobs of the queue, the next one first."""
    return _decoded(redis.lrange(key, 0, -1))


def _decoded(ids: Any) -> list[str]:
    return [job_id.decode() for job_id in ids]
