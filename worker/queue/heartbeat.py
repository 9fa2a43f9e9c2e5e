"""Which workers are alive, and whether their model is loaded.

whisper:worker:<name>  hash that expires 15 s after the last beat: state, model, engine, device, pid, error, loaded,
                       and `format` from the second format on
whisper:store:<id>     string that expires like it: where the data directory lies whose workers are alive
"""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter
from redis import Redis

from worker.runtime.connection import KEY_PREFIX
from worker.runtime.timing import Timing
from worker.store.record_format import RecordFormat, RecordUnreadable

SLOTS_FAIL = "No slot of the queue"  # how the error of a worker begins whose slots start over again and again

_STORE = f"{KEY_PREFIX}store:"

log = logging.getLogger(__name__)


def process_name(pid: int | None = None) -> str:
    """A worker process by machine and process id; of this process, or of another one on this machine."""
    return f"{_machine()}-{os.getpid() if pid is None else pid}"


def process_of(slot: str) -> str:
    """The process a slot belongs to, by its name: `<queue>.<process>.<n>`."""
    return slot.partition(".")[2].rpartition(".")[0]


def is_dead(slot: str) -> bool:
    """Whether the process of a slot is certain to be gone: it ran on this machine."""
    machine, _, pid = process_of(slot).rpartition("-")
    if os.name == "nt" or machine != _machine() or not pid.isdecimal():  # Windows has no way to ask without killing
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@cache
def _machine() -> str:
    """This host since it was started. Containers may share a name, but not the numbers of their processes."""
    namespace, boot = Path("/proc/self/ns/pid"), Path("/proc/sys/kernel/random/boot_id")
    if not (namespace.exists() and boot.exists()):
        return socket.gethostname()
    numbers = "".join(character for character in os.readlink(namespace) if character.isdecimal())
    return f"{socket.gethostname()}-{boot.read_text()[:8]}-{numbers}"


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


HEARTBEAT = RecordFormat("the heartbeat of a worker", TypeAdapter(WorkerHeartbeat), is_numbered=False)


def announce(redis: Redis, presence: WorkerHeartbeat, timing: Timing = Timing()) -> None:
    key = f"{KEY_PREFIX}worker:{presence.name}"
    pipeline = redis.pipeline()
    pipeline.hset(key, mapping={name: str(value) for name, value in HEARTBEAT.write(presence).items()})
    pipeline.pexpire(key, round(timing.presence * 1000))
    pipeline.execute()


def announce_store(redis: Redis, store: str, place: str, timing: Timing = Timing()) -> None:
    """Says whose jobs are in this Redis. store: its id; place: for people."""
    redis.set(f"{_STORE}{store}", place, px=round(timing.presence * 1000))


def other_stores(redis: Redis, store: str) -> list[str]:
    """Where other data directories lie whose workers are alive."""
    keys: list[Any] = [key for key in redis.scan_iter(f"{_STORE}*", count=1000) if key.decode() != f"{_STORE}{store}"]
    places: list[Any] = redis.mget(keys) if keys else []
    return sorted(place.decode(errors="replace") for place in places if place is not None)


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
