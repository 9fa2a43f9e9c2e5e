"""GET /v1/models: what is served, in OpenAI's words."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.state import ServiceDep

router = APIRouter(tags=["models"])


@router.get("/v1/models")
async def list_models(service: ServiceDep) -> dict[str, Any]:
    """The model served here, under each of its names."""
    return {"object": "list", "data": service.models.objects()}


@router.get("/v1/models/{model:path}")
async def retrieve_model(model: str, service: ServiceDep) -> dict[str, Any]:
    """One of the names the model is served under."""
    service.models.check(model)
    return service.models.object(model)
