"""What the OpenAPI document says beyond what FastAPI can know: every error, who may call, and what is sent out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from api.http.access import OPEN_PATHS
from api.http.errors import STATUS
from api.schema.jobs import WebhookMessage
from api.schema.responses import JSON, answer, components, reference
from api.schema.service import Error
from worker.webhooks.signature import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER

# Error codes by what a route does. The status of each stands in `api.http.errors`.
_ANY = ("invalid_value", "bad_request", "uri_too_long", "headers_too_large", "overloaded", "invalid_api_key",
        "host_not_allowed", "origin_not_allowed", "server_error", "redis_unavailable",
        "store_unavailable", "shutting_down")  # fmt: skip
_UPLOAD = ("missing_required_parameter", "unsupported_parameter", "invalid_content_type", "invalid_multipart",
           "too_many_fields", "field_too_large", "empty_file", "file_too_large", "model_not_found", "upload_stalled",
           "insufficient_storage", "idempotency_key_reused", "idempotency_key_in_use", "queue_full", "too_many_uploads",
           "webhook_not_allowed", "url_not_allowed", "unsupported_content_encoding")  # fmt: skip
_RECORDING = ("empty_audio", "unsupported_media", "unsupported_option", "no_audio_stream", "audio_too_long",
              "track_not_found", "invalid_speaker_reference", "canceled", "url_not_found", "url_refused",
              "url_unreachable",
              "worker_crashed", "out_of_memory", "engine_unavailable", "storage_full")  # fmt: skip
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "One of the server's WHISPER_API_KEYS"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key"},
    "basic": {"type": "http", "scheme": "basic", "description": "The same key as the password; for browsers"},
}


def operation_id(route: APIRoute) -> str:
    """The function's name: stable while its path changes, and what generated clients call their methods."""
    return route.name


def describe(app: FastAPI, *, server: str, needs_key: bool) -> None:
    """Makes the app's document complete; call it once all routes are there. server: its address, or `/` for the one
    the document is read from. needs_key: whether nobody is served without a key."""
    generate = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(generate(), server, needs_key)
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]  # as FastAPI's documentation says


def _completed(document: dict[str, Any], server: str, needs_key: bool) -> dict[str, Any]:
    document["servers"] = [{"url": server}]
    document["security"] = [*([] if needs_key else [{}]), *({name: []} for name in _SECURITY_SCHEMES)]
    document["components"] = {"schemas": components(), "securitySchemes": _SECURITY_SCHEMES}
    document["webhooks"] = {"job_ended": {"post": _webhook()}}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)  # FastAPI's own; ours has another status and shape
            if path.startswith("/v1/"):
                operation["responses"] |= _errors(_codes(method, path))
            if path in OPEN_PATHS:
                operation["security"] = []
    return document


def _webhook() -> dict[str, Any]:
    names = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
    return {
        "operationId": "job_ended",
        "summary": "A job has ended",
        "description": "To a job's `webhook_url`, signed after Standard Webhooks; retried until it is answered 2xx",
        "security": [],
        "parameters": [
            {"in": "header", "name": name, "required": True, "schema": {"type": "string"}} for name in names
        ],
        "requestBody": {"required": True, "content": {JSON: {"schema": reference(WebhookMessage)}}},
        "responses": {"2XX": {"description": "Delivered"}},
    }


def _codes(method: str, path: str) -> Iterable[str]:
    yield from _ANY
    if path.startswith("/v1/audio/"):
        yield from (*_UPLOAD, *_RECORDING, "sync_timeout", "too_many_connections")
    elif path == "/v1/models/{model}":
        yield "model_not_found"
    elif path == "/v1/jobs" and method == "post":
        yield from _UPLOAD
    elif path == "/v1/jobs/events":
        yield "too_many_connections"
    elif path == "/v1/jobs/export":
        yield from ("missing_required_parameter", "job_not_found", *_OF_A_JOB["/transcript"])
    elif path.endswith("/transcript") and method == "patch":
        yield from ("job_not_found", "job_not_finished", "field_too_large", *_PRECONDITIONS)
    elif "{job_id}" in path:
        yield from ("job_not_found", *_OF_A_JOB.get(path.partition("{job_id}")[2], ()))


_PRECONDITIONS = ("precondition_required", "transcript_changed", "transcript_busy")
_OF_A_JOB: dict[str, tuple[str, ...]] = {
    "": ("too_many_connections",),
    "/events": ("too_many_connections",),
    "/transcript": ("job_not_finished", "unsupported_parameter", *_RECORDING),
    "/audio": ("audio_deleted", "range_not_satisfiable", "too_many_connections"),
    "/peaks": ("peaks_not_found",),
    "/cancel": ("job_already_ended",),
    "/retry": ("job_not_finished", "audio_deleted", *_UPLOAD),
    "/redeliver": ("no_webhook", "job_not_finished"),
}


def _errors(codes: Iterable[str]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        if code in STATUS:
            by_status.setdefault(STATUS[code], []).append(f"`{code}`")
    described: dict[str, Any] = {}
    for status, names in sorted(by_status.items()):
        described[str(status)] = answer(", ".join(dict.fromkeys(names)), {JSON: reference(Error)}, status)[status]
    return described
