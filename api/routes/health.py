"""Whether the service lives, and whether it can do its work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from starlette.responses import JSONResponse

from api.http.access import KnownOwner
from api.operations.present_workers import PresentWorker, present_workers, unserved
from api.schema.responses import json_answer
from api.schema.service import Health, Readiness
from api.state import AppState, AppStateDep
from worker.queue.heartbeat import WorkerHeartbeat
from worker.runtime.connection import KEY_PREFIX

router = APIRouter(tags=["health"])

_PROBE = f"{KEY_PREFIX}probe"
_READINESS = {**json_answer(Readiness, "Ready"), **json_answer(Readiness, "What is missing", 503)}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the service needs. detail: what is wrong and what to do, or what is there. to_all: as much of that as
    strangers are told; empty for all of it."""

    ok: bool
    detail: str
    to_all: str = ""

    def shown(self, is_known: bool) -> dict[str, Any]:
        return {"ok": self.ok, "detail": self.detail if is_known else self.to_all or self.detail}


@router.get("/health", response_model=None, responses=json_answer(Health, "It answers"))
async def health() -> dict[str, str]:
    """That this process answers; it looks at nothing else."""
    return {"status": "ok"}


@router.get("/health/ready", responses=_READINESS)
async def readiness(service: AppStateDep, owner: KnownOwner) -> JSONResponse:
    """Whether a recording sent now would be transcribed: 200, or 503 with the reason. Models, disk space and errors are
    told to those alone who may use the service."""
    checks = await service.redis_threads.run(_checks, service)
    is_ready = all(check.ok for check in checks.values())
    answer = {
        "status": "ready" if is_ready else "unavailable",
        "checks": {name: check.shown(owner is not None) for name, check in checks.items()},
    }
    return JSONResponse(answer, 200 if is_ready else 503)


def _checks(service: AppState) -> dict[str, Check]:
    checks = {**_redis_checks(service.redis, service.models.names.all), "disk": _disk(service)}
    if service.store.is_shared:
        trouble = service.store.trouble()
        checks["store"] = Check(trouble is None, trouble or "answers", "The store does not answer." if trouble else "")
    if service.drain.is_there():
        checks["worker"] = Check(False, "The service is draining: it finishes what it has in hand, then it stops.")
    return checks


def _redis_checks(redis: Redis, models: Sequence[str]) -> dict[str, Check]:
    try:
        redis.set(_PROBE, 1, px=1)  # a ping is answered by a Redis that takes no jobs, too
        return {"redis": Check(True, "answers"), "worker": _workers(present_workers(redis), models)}
    except ResponseError as error:
        why = "Redis takes no writes, so no jobs"
        refuses = Check(False, f"{why}: {str(error)[:200]}", f"{why}. See the service's log.")
        return {"redis": refuses, "worker": Check(False, "Unknown while Redis takes no writes.")}
    except RedisError:
        away = Check(False, "Redis does not answer. See the service's log.")
        return {"redis": away, "worker": Check(False, "Unknown while Redis does not answer.")}


def _workers(present: Sequence[PresentWorker], models: Sequence[str]) -> Check:
    check = _worker([each.heartbeat for each in present])
    missing = unserved(models, present) if check.ok else []
    if not missing:
        return check
    waiting = f"jobs for {', '.join(missing)} wait: no worker that runs serves it"
    return Check(True, f"{check.detail}; {waiting}", check.to_all)


def _worker(present: Sequence[WorkerHeartbeat]) -> Check:
    if ready := [worker for worker in present if worker.takes_work]:
        return Check(True, "; ".join(map(_described, ready)), "takes jobs")
    for worker in present:
        if worker.state == "failed":
            return Check(False, worker.trouble, "No worker can take jobs. See the service's log.")
    if present:
        return Check(False, f"The model {present[0].model} is still being loaded.", "A model is still being loaded.")
    return Check(False, "No worker is running. It starts with the service, here or on another machine; see its log.")


def _described(worker: WorkerHeartbeat) -> str:
    if worker.state == "idle":
        return f"{worker.model} is not in memory, the first job loads it"
    return " ".join(filter(None, (worker.loaded.replace(",", " ") or worker.model, worker.engine, worker.device)))


def _disk(service: AppState) -> Check:
    free = service.store.free_bytes()
    if free < service.settings.min_free_bytes:
        why = f"Less than {service.settings.min_free_disk_mb} MB are free"
        return Check(False, f"{why}. Delete old jobs or make room.", "The disk is full. Delete old jobs or make room.")
    return Check(True, f"{free // 1024**2} MB free", "has room")
