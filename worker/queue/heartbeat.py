"""Which workers are alive, and whether their model is loaded.

whisper:worker:<name>  hash that expires 15 s after the last beat: state, model, engine, device, pid, error, loaded,
                       and `format` from the second format on
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Literal

from redis import Redis

from worker.fleet.needs import Need
from worker.runtime.connection import KEY_PREFIX
from worker.runtime.timing import Timing
from worker.store.record_format import RecordFormat, RecordUnreadable
from worker.telemetry.vitals import Vitals, vitals_of

SLOTS_FAIL = "No slot of the queue"  # how the error of a worker begins whose slots start over again and again

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerHeartbeat:
    """One worker process. model: the default one. loaded: those in its memory, with commas between them. error: why the
    default one cannot be loaded, for state `failed`. State `idle`: takes work, but has given its memory back; the first
    job loads its model."""

    name: str
    state: Literal["loading", "ready", "failed", "idle"]
    model: str
    engine: str = ""
    device: str = ""
    pid: int = 0
    error: str = ""
    loaded: str = ""

    @property
    def takes_work(self) -> bool:
        return self.state in ("ready", "idle")

    @property
    def trouble(self) -> str:
        """Why it takes no work, for state `failed`. A field of its own would be refused by version 0.1."""
        error = self.error[:500]
        return error if error.startswith(SLOTS_FAIL) else f"The model {self.model} could not be loaded: {error}"


HEARTBEAT = RecordFormat("the heartbeat of a worker", WorkerHeartbeat, is_numbered=False)


def announce(redis: Redis, presence: WorkerHeartbeat, timing: Timing = Timing()) -> None:
    key = f"{KEY_PREFIX}worker:{presence.name}"
    pipeline = redis.pipeline()
    pipeline.hset(key, mapping={name: str(value) for name, value in HEARTBEAT.write(presence).items()})
    pipeline.pexpire(key, round(timing.presence * 1000))
    pipeline.execute()


@dataclass(frozen=True, slots=True)
class Taker:
    """A worker that takes work. is_routed: see Vitals."""

    name: str
    host: str
    engine: str
    default: str
    vitals: Vitals

    def meets(self, need: Need) -> bool:
        """Whether it takes from the queues of this need."""
        return self.vitals.is_routed and need.is_met_by(self.vitals.models, self.engine)

    def need_for(self, model: str | None) -> Need | None:
        """By what name this worker serves the model; None if it does not. model: None for the default, whichever."""
        name = self.default if model is None else self.vitals.name_of(model)
        return None if name is None else Need(name)


class Takers:
    """Who takes work now, and what each can do. Looked up once in a while: it costs a search of all keys."""

    def __init__(self, redis: Redis, timing: Timing = Timing()) -> None:
        self._redis = redis
        self._fresh = timing.maintenance
        self._looked_at = float("-inf")  # monotonic seconds
        self._found: list[Taker] = []
        self._looking = threading.Lock()

    def all(self) -> list[Taker]:
        """Raises RedisError."""
        with self._looking:
            if time.monotonic() - self._looked_at >= self._fresh:
                self._found = _takers(self._redis)
                self._looked_at = time.monotonic()
            return self._found

    def serving(self, model: str) -> list[Taker]:
        return [each for each in self.all() if each.vitals.serves(model)]


def _takers(redis: Redis) -> list[Taker]:
    taking = [worker for worker in workers(redis) if worker.takes_work]
    told = vitals_of(redis, [worker.name for worker in taking])
    return [
        Taker(worker.name, vitals.host, worker.engine, worker.model, vitals)
        for worker, vitals in zip(taking, told, strict=True)
        if vitals and not vitals.is_draining
    ]


def withdraw(redis: Redis, name: str) -> None:
    redis.delete(f"{KEY_PREFIX}worker:{name}")


def workers(redis: Redis) -> list[WorkerHeartbeat]:
    """All workers with a heartbeat in the last 15 s."""
    found = []
    for key in redis.scan_iter(f"{KEY_PREFIX}worker:*", count=1000):
        row = {name.decode(): value.decode() for name, value in redis.hgetall(key).items()}  # type: ignore[union-attr]
        try:
            if row:
                found.append(HEARTBEAT.read(row))
        except RecordUnreadable as error:  # one of another version must not hide the others
            log.warning("The worker %s is left out: %s", row.get("name"), error)
    return sorted(found, key=lambda worker: worker.name)
