"""What FastAPI's `responses` is told: which schema an answer has, in which media types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.schema import jobs, service, transcripts

Responses = dict[int | str, dict[str, Any]]

JSON = "application/json"
EVENTS = "text/event-stream"
TEXTS = ("text/plain", "application/x-subrip", "text/vtt")
MODELS: tuple[type[BaseModel], ...] = (
    transcripts.Transcript,
    transcripts.TranscriptStreamEvent,
    jobs.Job,
    jobs.JobList,
    jobs.DeletedJob,
    jobs.JobEvent,
    jobs.Delivery,
    jobs.DeliveryList,
    jobs.WebhookMessage,
    service.Model,
    service.ModelList,
    service.Health,
    service.Readiness,
    service.Error,
)

_REFERENCE = "#/components/schemas/{model}"


def json_answer(model: type[BaseModel], description: str, status: int = 200) -> Responses:
    return answer(description, {JSON: reference(model)}, status)


def transcript_answer(*more: str) -> Responses:
    """more: further media types, of streams."""
    schemas = {JSON: reference(transcripts.Transcript), **{kind: {"type": "string"} for kind in TEXTS}}
    streams = {kind: reference(transcripts.TranscriptStreamEvent) for kind in more}
    return answer("The transcript", {**schemas, **streams})


def answer(description: str, schemas: Mapping[str, dict[str, Any]], status: int = 200) -> Responses:
    """schemas: by media type."""
    content = {kind: {"schema": schema} for kind, schema in schemas.items()}
    return {status: {"description": description, **({"content": content} if content else {})}}


def reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def components() -> dict[str, Any]:
    """The schemas of all answers by name, with those they consist of."""
    _, whole = models_json_schema([(model, "validation") for model in MODELS], ref_template=_REFERENCE)
    schemas: dict[str, Any] = whole["$defs"]
    return schemas
