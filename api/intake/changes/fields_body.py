"""The body of a request that brings fields and no recording: a form, or a JSON object."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request

from api.http.errors import ApiError
from api.http.multipart import MultipartForm
from api.intake.changes.json_body import parse_object

MAX_BODY = 256 * 1024  # bytes

Pairs = list[tuple[str, str]]


async def read_fields(request: Request, patience: float) -> Pairs:
    """As a form has them; none if there is no body. patience: seconds for all of it to come. Raises ApiError."""
    body = await _whole(request, patience)
    if not body.strip():
        return []
    content_type = request.headers.get("content-type", "")
    match content_type.partition(";")[0].strip().lower():
        case "application/x-www-form-urlencoded":
            return parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        case "multipart/form-data":
            return _of_form(MultipartForm(content_type), body)
        case "application/json":
            return list(_of_json(parse_object(body)))
    raise ApiError("invalid_content_type", "Send the fields in the query, as a form, or as a JSON object.")


async def _whole(request: Request, patience: float) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(patience):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise ApiError("field_too_large", f"The fields have more than {MAX_BODY} bytes.")
    except TimeoutError:
        raise ApiError("upload_stalled", f"The fields did not come within {patience:g} seconds.") from None
    return bytes(body)


def _of_form(form: MultipartForm, body: bytes) -> Pairs:
    form.feed(body)
    form.finish()
    if form.has_file:
        message = "The recording of the job is used again. Send another one to POST /v1/jobs."
        raise ApiError("unsupported_parameter", message, param="file")
    return form.fields


def _of_json(sent: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in sent.items():
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                yield name, each if isinstance(each, str) else json.dumps(each)
