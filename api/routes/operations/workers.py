"""GET /v1/workers: the processes that transcribe, and how they are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.operations.present_workers import UNKNOWN, PresentWorker, present_workers
from api.schema.responses import json_answer
from api.schema.workers import WorkerList
from api.state import AppState, AppStateDep

router = APIRouter(tags=["health"])


@router.get("/v1/workers", response_model=None, responses=json_answer(WorkerList, "The workers"))
async def list_workers(service: AppStateDep) -> dict[str, Any]:
    """The workers that have told of themselves within the last 15 seconds."""
    return {"object": "list", "data": await service.redis_threads.run(_rows, service)}


def _rows(service: AppState) -> list[dict[str, Any]]:
    return [_row(worker) for worker in present_workers(service.redis)]


def _row(worker: PresentWorker) -> dict[str, Any]:
    told, vitals = worker.heartbeat, worker.vitals
    is_known = vitals != UNKNOWN
    return {
        "id": told.name,
        "object": "worker",
        "status": "draining" if vitals.is_draining else told.state,
        "error": told.trouble if told.state == "failed" else None,
        "host": vitals.host or None,
        "version": vitals.version or None,
        "engine": told.engine or None,
        "device": told.device or None,
        "default_model": told.model,
        "loaded_models": worker.loaded,
        "models": list(vitals.models) if is_known and vitals.models else None,
        "jobs": vitals.jobs if is_known else None,
        "lanes": vitals.lanes if is_known else None,
        "busy_lanes": vitals.busy_lanes if is_known else None,
        "started_at": vitals.started_at if is_known else None,
        "last_beat_at": vitals.beat_at if is_known else None,
        "clock_skew": round(vitals.skew, 4) if is_known else None,
    }
