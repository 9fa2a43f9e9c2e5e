"""Corrections of a finished job's transcript, segment by segment, made on a revision that the client names."""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers

from api.http.errors import ApiError
from api.intake.changes.json_body import read_object
from worker.store.edits.edits import SegmentChange

MAX_BODY = 8 * 1024 * 1024  # bytes: every segment of a day of talk
MAX_TEXT = 10_000  # characters of a segment
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_SEGMENT = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "integer", "description": "The segment's number"},
        "text": {
            "type": ["string", "null"],
            "maxLength": MAX_TEXT,
            "description": "What is said in it; empty: nothing; null: what the machine heard",
        },
        "speaker": {
            "type": ["string", "null"],
            "description": "Who says it, by the `id` the job lists them with, or a new one; null: who the machine "
            "thought",
        },
    },
}
TRANSCRIPT_CHANGES: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": "If-Match",
            "required": True,
            "description": "The ETag of the transcript that is corrected, or `*` for whichever there is",
            "schema": {"type": "string"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["segments"],
                    "properties": {"segments": {"type": "array", "minItems": 1, "items": _SEGMENT}},
                }
            }
        },
    },
}


def read_revision(headers: Headers) -> int | None:
    """Which revision the client has, by `If-Match`: -1 for what cannot be one, None for any; raises ApiError."""
    sent = headers.get("if-match", "").strip()
    if not sent:
        message = "Say which revision is corrected: send the transcript's ETag as 'If-Match'."
        raise ApiError("precondition_required", message, param="If-Match")
    if sent == "*":
        return None
    number = sent.removeprefix("W/").strip('"')
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else -1


async def read_transcript_changes(request: Request) -> list[SegmentChange]:
    """Raises ApiError for what is no such object."""
    sent = (await read_object(request, MAX_BODY, "segments")).get("segments")
    if not isinstance(sent, list) or not sent:
        raise invalid("The body has no list 'segments'")
    return [_change(each) for each in sent]


def invalid(message: str) -> ApiError:
    remedy = 'Send {"segments": [{"id": 3, "text": "What was said"}]}.'
    return ApiError("invalid_value", f"{message}. {remedy}", param="segments")


def _change(sent: Any) -> SegmentChange:
    number = sent.get("id") if isinstance(sent, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise invalid("A segment has no 'id', which is its number")
    sets = frozenset({"text", "speaker"} & sent.keys())
    if not sets:
        raise invalid(f"The segment {number} has neither 'text' nor 'speaker'")
    text, speaker = sent.get("text"), sent.get("speaker")
    if not isinstance(text, str | None) or not isinstance(speaker, str | None):
        raise invalid(f"'text' or 'speaker' of the segment {number} is no text")
    return SegmentChange(number, None if text is None else _one_line(text, number), speaker or None, sets)


def _one_line(text: str, number: int) -> str:
    if len(text) > MAX_TEXT:
        raise invalid(f"The text of the segment {number} has more than {MAX_TEXT} characters")
    return _BREAKS.sub(" ", text).strip()
