"""GET /v1/models: what is served, in OpenAI's words, and what of it is in memory. GET /v1/info: what the server is."""

from __future__ import annotations

from typing import Any, get_args

from fastapi import APIRouter
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from api.intake.form_types import ResponseFormat
from api.routes.transcripts import MAX_EXPORTED
from api.schema.responses import json_answer
from api.schema.service import Model, ModelList, ServiceInfo
from api.state import AppState, AppStateDep
from engines.errors import EngineUnavailable
from worker.queue.heartbeat import workers
from worker.runtime.version import VERSION

router = APIRouter(tags=["models"])


@router.get("/v1/info", response_model=None, responses=json_answer(ServiceInfo, "The server"))
async def service_info(service: AppStateDep) -> dict[str, Any]:
    """The server's version, models, formats and limits, and whether a key is needed."""
    settings = service.settings
    return {
        "name": "whisper-native",
        "version": VERSION,
        "needs_key": settings.needs_key,
        "default_model": service.models.default,
        "models": list(service.models.names.all),
        "formats": list(get_args(ResponseFormat)),
        "speakers": await run_in_threadpool(_tells_speakers_apart, service),
        "limits": {
            "max_upload_bytes": settings.max_upload_bytes,
            "max_audio_hours": service.max_audio_hours,
            "sync_timeout": settings.sync_timeout,
            "max_exported_jobs": MAX_EXPORTED,
        },
    }


@router.get("/v1/models", response_model=None, responses=json_answer(ModelList, "The models"))
async def list_models(service: AppStateDep) -> dict[str, Any]:
    """The models served here, under each of their names. `loaded`: in memory now; the others load when asked for."""
    loaded = await service.redis_threads.run(_loaded, service)
    return {"object": "list", "data": service.models.objects(loaded)}


@router.get("/v1/models/{model:path}", response_model=None, responses=json_answer(Model, "The model"))
async def retrieve_model(model: str, service: AppStateDep) -> dict[str, Any]:
    """One of the names a model is served under."""
    service.models.check(model)
    return service.models.object(model, await service.redis_threads.run(_loaded, service))


def _tells_speakers_apart(service: AppState) -> bool:
    try:
        service.check_speakers()
    except EngineUnavailable:
        return False
    return True


def _loaded(service: AppState) -> frozenset[str]:
    """Nothing while Redis, which the workers tell, does not answer: the names are worth having all the same."""
    try:
        return frozenset(name for worker in workers(service.redis) for name in worker.loaded.split(",") if name)
    except RedisError:
        return frozenset()
