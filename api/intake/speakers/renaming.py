"""New names for the speakers of a finished job: a small JSON object, and what may stand in it."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request

from api.http.errors import ApiError
from api.intake.speakers.names import MAX_NAME, check_name
from worker.store.job_store import JobNotFound, JobStore
from worker.store.records import JobRequest

MAX_BODY = 64 * 1024  # bytes
Names = dict[str, str | None]

_NAME = {"type": ["string", "null"], "maxLength": MAX_NAME}
_SPEAKERS = {
    "type": "object",
    "description": "The name of each speaker, by the `id` the job lists them with; null takes a name back",
    "additionalProperties": _NAME,
}
RENAMING: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "required": ["speakers"], "properties": {"speakers": _SPEAKERS}}
            }
        },
    }
}


async def read_names(request: Request) -> Names:
    """By label; raises ApiError for what is no such object."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise ApiError("field_too_large", f"The names have more than {MAX_BODY} bytes.", param="speakers")
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        raise _invalid("The body is no JSON") from None
    names = sent.get("speakers") if isinstance(sent, dict) else None
    if not isinstance(names, dict):
        raise _invalid("The body has no object 'speakers'")
    return {label: _checked(name) for label, name in names.items()}


def rename(store: JobStore, job: JobRequest, names: Names) -> None:
    """Raises ApiError if the job has no such speakers. Blocks: run it in a thread."""
    outcome = store.outcome(job.id)
    if outcome is None:
        if not store.has(job.id):
            raise JobNotFound(job.id)
        raise ApiError("job_not_finished", f"The speakers of {job.id} are known once it has finished.", param="id")
    known = [speaker.label for speaker in outcome.speakers]
    if strange := next((label for label in names if label not in known), None):
        there = f"it has {', '.join(known[:20])}" if known else "nobody was told apart in it"
        raise _invalid(f"The job has no speaker '{strange[:100]}'; {there}")
    store.name_speakers(job.id, names)


def _checked(name: object) -> str | None:
    if name is None or name == "":
        return None
    try:
        return check_name(name if isinstance(name, str) else "")
    except ValueError as error:
        raise _invalid(f"'speakers' {error}") from None


def _invalid(message: str) -> ApiError:
    return ApiError("invalid_value", f'{message}. Send {{"speakers": {{"A": "Anna"}}}}.', param="speakers")
