"""GET /v1/models: what is served, in OpenAI's words, and what of it is in memory."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from redis.exceptions import RedisError

from api.schema.responses import json_answer
from api.schema.service import Model, ModelList
from api.state import AppState, AppStateDep
from worker.queue.heartbeat import workers

router = APIRouter(tags=["models"])


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


def _loaded(service: AppState) -> frozenset[str]:
    """Nothing while Redis, which the workers tell, does not answer: the names are worth having all the same."""
    try:
        return frozenset(name for worker in workers(service.redis) for name in worker.loaded.split(",") if name)
    except RedisError:
        return frozenset()
