"""What a worker has to have for a job that not every worker can do. Such jobs wait in queues of their own.

batch                   any worker takes from it, and moves what it cannot do to the queue of those who can, once
batch:large-v3          jobs of a model, in the order in which they stood before
batch:base@mlx-whisper  those that go on for a minute with nobody but the engine that began them
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from redis import Redis

_QUEUES = "rq:queues"  # RQ's list of all there are
_PREFIX = "rq:queue:"
KEY = f"{_PREFIX}{{}}"  # of a queue, by its name
_INTERMEDIATE = "intermediate"  # what RQ appends to a queue's name for the jobs that a slot has just taken


@dataclass(frozen=True, slots=True)
class Need:
    """model: a name by which workers serve it, as they spell it. engine: empty for any."""

    model: str
    engine: str = ""

    def queue(self, kind: str) -> str:
        """The name in RQ. kind: the queue the job would wait in if any worker could do it."""
        model = quote(self.model, safe="*")
        if model == _INTERMEDIATE:
            model = f"%{ord(model[0]):x}{model[1:]}"
        return f"{kind}:{model}@{quote(self.engine)}" if self.engine else f"{kind}:{model}"

    def is_met_by(self, models: Iterable[str], engine: str) -> bool:
        """By a worker with this engine that serves these models."""
        return self.engine in ("", engine) and self.model.lower() in map(str.lower, models)


def need_of(queue: str) -> Need | None:
    """None for a queue from which any worker takes. queue: its name in RQ."""
    _, _, rest = queue.partition(":")
    model, _, engine = rest.partition("@")
    return Need(unquote(model), unquote(engine)) if model else None


def kind_of(queue: str) -> str:
    """See `Need.queue`."""
    return queue.partition(":")[0]


def special_queues(redis: Redis) -> list[str]:
    """The names of all queues from which only some workers take; those that are empty are among them."""
    keys: Any = redis.smembers(_QUEUES)
    names = sorted(key.decode().removeprefix(_PREFIX) for key in keys)
    return [name for name in names if need_of(name)]


def needs_met(redis: Redis, models: Sequence[str], engine: str) -> set[Need]:
    """By a worker, of those for which there are queues of their own."""
    needs = {need for name in special_queues(redis) if (need := need_of(name))}
    return {need for need in needs if need.is_met_by(models, engine)}


def list_queue(pipeline: Any, queue: str) -> None:
    """Makes the queue known to RQ, its dashboard, and `special_queues`."""
    pipeline.sadd(_QUEUES, f"{_PREFIX}{queue}")
