"""The workers with a heartbeat, and what else they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from redis import Redis

from worker.queue.heartbeat import WorkerHeartbeat, workers
from worker.telemetry.vitals import Vitals, vitals_of

UNKNOWN = Vitals(version="", host="")  # of a version that says nothing more than its heartbeat


@dataclass(frozen=True, slots=True)
class PresentWorker:
    """heartbeat: as it was told; vitals: UNKNOWN if they were not."""

    heartbeat: WorkerHeartbeat
    vitals: Vitals

    @property
    def takes_work(self) -> bool:
        return self.heartbeat.takes_work and not self.vitals.is_draining

    @property
    def loaded(self) -> list[str]:
        """Models in its memory."""
        return [name for name in self.heartbeat.loaded.split(",") if name]


def unserved(models: Iterable[str], present: Sequence[PresentWorker]) -> list[str]:
    """Those of these models that no worker which takes work serves. One of an earlier version, which does not say what,
    may serve all."""
    taking = [each.vitals for each in present if each.takes_work]
    return [name for name in models if not any(each.serves(name) or not each.models for each in taking)]


def present_workers(redis: Redis) -> list[PresentWorker]:
    """All with a heartbeat in the last 15 s."""
    found = workers(redis)
    vitals = vitals_of(redis, [worker.name for worker in found])
    return [PresentWorker(worker, more or UNKNOWN) for worker, more in zip(found, vitals, strict=True)]
