"""What FastAPI's `responses` is told: which schema an answer has, in which media types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.schema import jobs, service, transcripts, workers

Responses = dict[int | str, dict[str, Any]]

JSON = "application/json"
EVENTS = "text/event-stream"
TEXTS = ("text/plain", "application/x-subrip", "text/vtt", "text/markdown", "text/csv", "text/tab-separated-values")
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ZIP = "application/zip"
BINARY = {"type": "string", "format": "binary"}
# Its type follows from its content; generated clients know the first of these.
RECORDING = dict.fromkeys(("application/octet-stream", "audio/*", "video/*"), BINARY)
MODELS: tuple[type[BaseModel], ...] = (
    transcripts.Transcript,
    transcripts.TranscriptCorrection,
    transcripts.TranscriptStreamEvent,
    jobs.Job,
    jobs.JobList,
    jobs.DeletedJob,
    jobs.Peaks,
    jobs.JobEvent,
    jobs.JobsEvent,
    jobs.Delivery,
    jobs.DeliveryList,
    jobs.WebhookMessage,
    service.Model,
    service.ModelList,
    service.ServiceInfo,
    service.Health,
    service.Readiness,
    service.Error,
    workers.WorkerList,
)

_REFERENCE = "#/components/schemas/{model}"


def json_answer(model: type[BaseModel], description: str, status: int = 200) -> Responses:
    return answer(description, {JSON: reference(model)}, status)


def transcript_answer(*, streams: bool = False) -> Responses:
    """streams: whether it is also sent as it comes."""
    schemas = {JSON: reference(transcripts.Transcript), **{kind: {"type": "string"} for kind in TEXTS}, DOCX: BINARY}
    if streams:
        schemas[EVENTS] = event_schema(transcripts.TranscriptStreamEvent, "[DONE]")
    return answer("The transcript", schemas)


def answer(description: str, schemas: Mapping[str, dict[str, Any]], status: int = 200) -> Responses:
    """schemas: by media type."""
    content = {kind: {"schema": schema} for kind, schema in schemas.items()}
    return {status: {"description": description, **({"content": content} if content else {})}}


def event_schema(model: type[BaseModel], *ends: str) -> dict[str, Any]:
    """One server-sent event, as OpenAPI 3.2 describes them. ends: data that is no JSON."""
    data = {"type": "string", "contentMediaType": JSON, "contentSchema": reference(model)}
    text = {"type": "string"}
    any_data = {"anyOf": [data, *({"const": end} for end in ends)]} if ends else data
    return {"type": "object", "required": ["data"], "properties": {"event": text, "id": text, "data": any_data}}


def reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def components() -> dict[str, Any]:
    """The schemas of all answers by name, with those they consist of."""
    _, whole = models_json_schema([(model, "validation") for model in MODELS], ref_template=_REFERENCE)
    schemas: dict[str, Any] = whole["$defs"]
    return schemas
