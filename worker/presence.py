"""Which workers are alive, and whether their model is loaded.

whisper:worker:<name>  hash that expires 15 s after the last beat: state, model, engine, device, pid, error
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from redis import Redis

from worker.connection import KEY_PREFIX

BEAT = 5.0  # seconds between two signs of life
TTL = 15  # seconds without one after which a worker counts as gone


@dataclass(frozen=True, slots=True)
class WorkerPresence:
    """One worker process. `error` says why its model is not loaded, for state `failed`."""

    name: str
    state: Literal["loading", "ready", "failed"]
    model: str
    engine: str = ""
    device: str = ""
    pid: int = 0
    error: str = ""


def announce(redis: Redis, presence: WorkerPresence) -> None:
    key = f"{KEY_PREFIX}worker:{presence.name}"
    pipeline = redis.pipeline()
    pipeline.hset(key, mapping={name: str(value) for name, value in asdict(presence).items()})
    pipeline.expire(key, TTL)
    pipeline.execute()


def withdraw(redis: Redis, name: str) -> None:
    redis.delete(f"{KEY_PREFIX}worker:{name}")


def workers(redis: Redis) -> list[WorkerPresence]:
    """All workers with a sign of life in the last 15 s."""
    found = []
    for key in redis.scan_iter(f"{KEY_PREFIX}worker:*", count=1000):
        row = {name.decode(): value.decode() for name, value in redis.hgetall(key).items()}  # type: ignore[union-attr]
        if row:
            found.append(WorkerPresence(**{**row, "pid": int(row["pid"])}))  # type: ignore[arg-type]
    return sorted(found, key=lambda worker: worker.name)
