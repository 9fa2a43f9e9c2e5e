"""What a worker process says of itself beside its heartbeat, whose fields earlier versions read one by one.

whisper:vitals:<name>  string that expires with the heartbeat: JSON
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from engines.weights.names import canonical_name
from worker.runtime.connection import KEY_PREFIX
from worker.runtime.timing import Timing
from worker.runtime.version import VERSION
from worker.store.record_format import RecordFormat, RecordUnreadable

_VITALS = f"{KEY_PREFIX}vitals:"
ANY_NAME = "*"  # among the names of a worker that takes whatever is asked for: see worker.models.names


@dataclass(frozen=True, slots=True)
class Vitals:
    """started_at, beat_at: unix seconds by Redis' clock. skew: seconds by which the worker's clock is ahead of that.
    jobs: in hand. lanes: passes of its models that may run at once; busy_lanes: those that do, with the express ones.
    is_draining: whether it only finishes what it has in hand. models: that it serves, and further names for them; none
    from an earlier version. is_routed: whether it takes from the queues of jobs that not every worker can do, which an
    earlier version does not (worker.fleet.needs)."""

    version: str = VERSION
    host: str = field(default_factory=socket.gethostname)
    started_at: float = 0.0
    beat_at: float = 0.0
    skew: float = 0.0
    jobs: int = 0
    lanes: int = 0
    busy_lanes: int = 0
    is_draining: bool = False
    models: tuple[str, ...] = ()
    is_routed: bool = False

    def serves(self, model: str) -> bool:
        """model: by its name, in any case."""
        return self.name_of(model) is not None

    def name_of(self, model: str) -> str | None:
        """By which of its models' names it serves a model; `*` if by whatever is asked for. None if it does not."""
        of = {each.lower(): each for each in self.models}
        return of.get(model.lower()) or of.get(canonical_name(model).lower()) or of.get(ANY_NAME)


VITALS = RecordFormat("the vitals of a worker", Vitals)


def announce_vitals(redis: Redis, name: str, vitals: Vitals, timing: Timing = Timing()) -> None:
    """name: of the worker, as in its heartbeat."""
    redis.set(f"{_VITALS}{name}", VITALS.dump(vitals), px=round(timing.presence * 1000))


def withdraw_vitals(redis: Redis, name: str) -> None:
    redis.delete(f"{_VITALS}{name}")


def vitals_of(redis: Redis, names: Sequence[str]) -> list[Vitals | None]:
    """Of these workers, in this order; None for one that says nothing that can be read, as an earlier version's."""
    found: list[Any] = redis.mget([f"{_VITALS}{name}" for name in names]) if names else []
    return [_read(text) if text else None for text in found]


def _read(text: bytes) -> Vitals | None:
    try:
        return VITALS.load(text)
    except RecordUnreadable:
        return None
