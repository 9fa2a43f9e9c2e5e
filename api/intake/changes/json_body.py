"""A small JSON object as a request's body."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from fastapi import Request

from api.http.errors import ApiError
from api.http.fields import without_halves

MAX_BODY = 64 * 1024  # bytes
PATIENCE = 120.0  # seconds for all of it to come; to sign in, nobody needs a key
_ESCAPED = re.compile(r"\\u[dD]")


async def read_object(request: Request, most: int = MAX_BODY, param: str | None = None) -> dict[str, Any]:
    """Raises ApiError for anything else, or if it is longer than so many bytes. param: what it is about."""
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise ApiError("field_too_large", f"The body has more than {most} bytes.", param=param)
    except TimeoutError:
        message = f"The body did not come within {PATIENCE:g} seconds."
        raise ApiError("upload_stalled", message, param=param) from None
    return parse_object(bytes(body), param)


def parse_object(body: bytes, param: str | None = None) -> dict[str, Any]:
    """Raises ApiError for anything else."""
    try:
        text = body.decode(json.detect_encoding(body))  # strictly, which json itself does not
        sent = json.loads(text)
        if _ESCAPED.search(text):
            sent = json.loads(without_halves(json.dumps(sent, ensure_ascii=False)))
    except (ValueError, RecursionError):
        raise ApiError("invalid_value", "The body is no JSON.", param=param) from None
    if not isinstance(sent, dict):
        raise ApiError("invalid_value", "The body is no JSON object.", param=param)
    return sent
