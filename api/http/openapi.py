"""What the OpenAPI document says beyond what FastAPI can know: every error, and answers that are no JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from api.http.errors import STATUS

# Error codes by what a route does. The status of each stands in `api.http.errors`.
_ANY = ("invalid_value", "bad_request", "invalid_api_key", "host_not_allowed", "origin_not_allowed", "server_error",
        "redis_unavailable", "shutting_down")  # fmt: skip
_UPLOAD = ("missing_required_parameter", "unsupported_parameter", "invalid_content_type", "invalid_multipart",
           "too_many_fields", "field_too_large", "empty_file", "file_too_large", "model_not_found", "upload_stalled",
           "insufficient_storage", "idempotency_key_reused", "idempotency_key_in_use", "queue_full", "too_many_uploads",
           "webhook_not_allowed")  # fmt: skip
_RECORDING = ("empty_audio", "unsupported_media", "unsupported_option", "no_audio_stream", "audio_too_long", "canceled",
              "worker_crashed", "out_of_memory", "engine_unavailable", "storage_full")  # fmt: skip
_WORDS = ("application/json", "text/plain", "application/x-subrip", "text/vtt")
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string", "enum": ["invalid_request_error", "server_error"]},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}


def describe(app: FastAPI) -> None:
    """Makes the app's document complete; call it once all routes are there."""
    generate = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(generate())
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]  # as FastAPI's documentation says


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Error"] = _ERROR
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)  # FastAPI's own; ours has another status and shape
            if path.startswith("/v1/"):
                operation["responses"] |= _successes(path) | _errors(_codes(method, path))
    not_ready = {"description": "What is missing", "content": _content(["application/json"], {"type": "object"})}
    document["paths"]["/health/ready"]["get"]["responses"]["503"] = not_ready
    return document


def _codes(method: str, path: str) -> Iterable[str]:
    yield from _ANY
    if path.startswith("/v1/audio/"):
        yield from (*_UPLOAD, *_RECORDING, "sync_timeout")
    elif path == "/v1/models/{model}":
        yield "model_not_found"
    elif path == "/v1/jobs" and method == "post":
        yield from _UPLOAD
    elif "{job_id}" in path:
        yield from ("job_not_found", *_OF_A_JOB.get(path.partition("{job_id}")[2], ()))


_OF_A_JOB: dict[str, tuple[str, ...]] = {
    "/transcript": ("job_not_finished", "unsupported_parameter", *_RECORDING),
    "/audio": ("audio_deleted", "range_not_satisfiable"),
    "/cancel": ("job_already_ended",),
    "/redeliver": ("no_webhook", "job_not_finished"),
}


def _errors(codes: Iterable[str]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        if code in STATUS:
            by_status.setdefault(STATUS[code], []).append(f"`{code}`")
    content = _content(["application/json"], {"$ref": "#/components/schemas/Error"})
    return {
        str(status): {"description": ", ".join(dict.fromkeys(names)), "content": content}
        for status, names in sorted(by_status.items())
    }


def _successes(path: str) -> dict[str, Any]:
    """The answers of routes that choose their own type."""
    if path.startswith("/v1/audio/"):
        types = [*_WORDS, "text/event-stream"]
        job = {"description": "The job, with `Prefer: respond-async`", "content": _content(["application/json"], {})}
        return {"200": {"description": "The transcript", "content": _content(types, {})}, "202": job}
    if path.endswith("/transcript"):
        return {"200": {"description": "The transcript", "content": _content(_WORDS, {})}}
    if path.endswith("/audio"):
        part = {"description": "A part of it", "content": _content(["*/*"], {})}
        return {"200": {"description": "The recording", "content": _content(["*/*"], {})}, "206": part}
    if path.endswith("/events"):
        over = {"description": "The reader has had all there is"}
        return {"200": {"description": "JobEvent", "content": _content(["text/event-stream"], {})}, "204": over}
    return {}


def _content(types: Iterable[str], schema: dict[str, Any]) -> dict[str, Any]:
    return {kind: {"schema": schema} for kind in types}
