"""The types of form fields: from the text a client sends to a checked value, with the words of each refusal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.intake.speakers.names import check_names
from api.intake.speakers.references import MAX_REFERENCES, read_references
from engines.languages import language_code
from worker.webhooks.headers import check_headers
from worker.webhooks.message import INCLUDABLE

MAX_PROMPT = 10_000  # characters; Whisper reads the last 224 tokens
MAX_METADATA = 16 * 1024  # bytes
MAX_KEYS = 256  # of metadata, at all its levels together
MAX_DEPTH = 16  # objects and lists within each other
MAX_TRACK = 999
MAX_WIDTH = 1000  # columns of a subtitle's line
MAX_COUNT = 100  # lines of a subtitle, words of a line
MAX_SPEAKERS = 100
MAX_SECONDS = 1_000_000  # of a time in a recording
VAD_LIMITS = {"threshold": 1.0, "prefix_padding_ms": 5000.0, "silence_duration_ms": 5000.0}

Code = Literal["invalid_value", "unsupported_parameter"]
ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json", "md", "docx", "csv", "tsv"]
Granularity = Literal["segment", "word"]


def refuse(code: Code, message: str) -> NoReturn:
    """To be called in a validator: the request is answered with this code and message."""
    raise PydanticCustomError(code, "{message}", {"message": message})


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _lowered(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _lowered_all(values: object) -> object:
    return tuple(map(_lowered, values)) if isinstance(values, (tuple, list)) else values


def _switch(value: object) -> object:
    text = _lowered(value)
    return False if text in ("null", "none") else text


def _language(value: str) -> str | None:
    if value.strip().lower() == "auto":
        return None
    code = language_code(value)
    if code is None:
        message = f"'{value[:100]}' is no language Whisper knows. Send an ISO 639-1 code such as 'en', 'de' or 'ja'"
        refuse("invalid_value", f"{message}, or leave the field out to have the language found")
    return code


def _candidates(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(code for value in values if (code := _language(value)))


def _known_format(value: object) -> object:
    wanted = _lowered(value)
    return "text" if wanted == "txt" else wanted


def _included(values: tuple[str, ...]) -> tuple[str, ...]:
    if strange := next((value for value in values if value != "logprobs"), None):
        refuse("invalid_value", f"'{strange[:100]}' cannot be included; 'logprobs' can")
    return tuple(dict.fromkeys(values))


def _speaker_names(values: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return check_names(values)
    except ValueError as error:
        refuse("invalid_value", f"'known_speaker_names' {error}")


def _speaker_references(values: tuple[str, ...]) -> tuple[bytes, ...]:
    try:
        return read_references(values)
    except ValueError as error:
        refuse("invalid_value", f"'known_speaker_references' {error}")


def _chunking(value: object) -> dict[str, Any] | None:
    """value: the text of the field, or the object that was sent as `chunking_strategy[type]=…`."""
    if isinstance(value, str) and value.strip().lower() in ("auto", "null"):
        return None
    strategy = json_object(value) if isinstance(value, str) else value
    if not isinstance(strategy, dict) or strategy.get("type") != "server_vad":
        refuse("invalid_value", "'chunking_strategy' is 'auto' or an object of type 'server_vad'")
    return {name: _within(name, each) if name in VAD_LIMITS else each for name, each in strategy.items()}


def _within(name: str, value: object) -> float:
    """The number of a server_vad's setting, which forms send as a text."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= VAD_LIMITS[name]:
        refuse("invalid_value", f"'{name}' of 'chunking_strategy' is a number from 0 to {VAD_LIMITS[name]:g}")
    return number


def _metadata(value: object) -> dict[str, Any]:
    """value: the text of the field, or the object that was sent as `metadata[key]=…`."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text.encode(errors="replace")) > MAX_METADATA:
        refuse("invalid_value", f"'metadata' is larger than {MAX_METADATA} bytes")
    metadata = json_object(text)
    if metadata is None:
        refuse(
            "invalid_value",
            f'\'metadata\' is a JSON object, such as {{"meeting": "weekly"}}, with objects and lists at most '
            f"{MAX_DEPTH} deep",
        )
    if _keys(metadata) > MAX_KEYS:
        refuse("invalid_value", f"'metadata' has more than {MAX_KEYS} keys")
    return metadata


def _webhook_headers(value: object) -> dict[str, str]:
    """value: the text of the field, or the object that was sent as `webhook_headers[name]=…`."""
    try:
        return check_headers(json.loads(value) if isinstance(value, str) else value)
    except (json.JSONDecodeError, RecursionError):
        refuse("invalid_value", "'webhook_headers' is a JSON object of texts")
    except ValueError as error:
        refuse("invalid_value", f"'webhook_headers' {error}")


def _webhook_include(values: tuple[str, ...]) -> tuple[str, ...]:
    for name in values:
        if name not in INCLUDABLE:
            one_of = ", ".join(INCLUDABLE)
            refuse("invalid_value", f"'{name[:100]}' cannot be included in a webhook; it is one of {one_of}")
    return tuple(dict.fromkeys(values))


def json_object(text: str) -> dict[str, Any] | None:
    """None for what is no JSON object, could not be sent back as one, or is deeper than `MAX_DEPTH`."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and _depth(value) <= MAX_DEPTH else None


def _inner(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _depth(value: object) -> int:
    level, depth = [value], 0
    while containers := [item for item in level if isinstance(item, (dict, list))]:
        level, depth = [inner for item in containers for inner in _inner(item)], depth + 1
    return depth


def _keys(value: object) -> int:
    own = len(value) if isinstance(value, dict) else 0
    return own + sum(_keys(item) for item in _inner(value))


_JSON = {"type": "string", "contentMediaType": "application/json"}
_CHUNKING = {
    "anyOf": [
        {"type": "string", "enum": ["auto"]},
        {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": {"type": "string", "enum": ["server_vad"]},
                "prefix_padding_ms": {"type": "integer", "minimum": 0, "maximum": 5000},
                "silence_duration_ms": {"type": "integer", "minimum": 0, "maximum": 5000},
                "threshold": {"type": "number", "minimum": 0, "maximum": 1},
            },
        },
    ]
}

Stripped = BeforeValidator(_stripped)
Lowered = BeforeValidator(_lowered)  # of fixed words, which forms and their users write in any case
LoweredAll = BeforeValidator(_lowered_all)
Name = Annotated[str, Stripped]
Switch = Annotated[bool, BeforeValidator(_switch)]
Phrase = Annotated[str, Field(max_length=MAX_PROMPT)]
Temperature = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
TrackNumber = Annotated[
    Annotated[int, Field(ge=1, le=MAX_TRACK)] | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_TRACK}),
]
LineWidth = Annotated[
    Annotated[int, Field(ge=1, le=MAX_WIDTH)] | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_WIDTH}),
]
LineCount = Annotated[
    Annotated[int, Field(ge=1, le=MAX_COUNT)] | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_COUNT}),
]
Seconds = Annotated[
    Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)] | None,
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": MAX_SECONDS}),
]
SpeakerNumber = Annotated[
    Annotated[int, Field(ge=1, le=MAX_SPEAKERS)] | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_SPEAKERS}),
]
SpeakerNames = Annotated[tuple[str, ...], AfterValidator(_speaker_names)]
SpeakerReferences = Annotated[
    tuple[bytes, ...],
    BeforeValidator(_speaker_references),
    WithJsonSchema({"type": "array", "items": {"type": "string", "format": "uri"}, "maxItems": MAX_REFERENCES}),
]
Format = Annotated[ResponseFormat, BeforeValidator(_known_format)]
Granularities = Annotated[tuple[Granularity, ...], LoweredAll]
Language = Annotated[
    str | None, AfterValidator(lambda value: value and _language(value)), WithJsonSchema({"type": "string"})
]
Languages = Annotated[tuple[str, ...], AfterValidator(_candidates)]
Included = Annotated[
    tuple[str, ...],
    LoweredAll,
    AfterValidator(_included),
    WithJsonSchema({"type": "array", "items": {"type": "string", "enum": ["logprobs"]}}),
]
Chunking = Annotated[dict[str, Any] | None, BeforeValidator(_chunking), WithJsonSchema(_CHUNKING)]
Metadata = Annotated[dict[str, Any], BeforeValidator(_metadata), WithJsonSchema(_JSON)]
WebhookUrl = Annotated[str, Stripped, WithJsonSchema({"type": "string", "format": "uri"})]
SourceUrl = Annotated[str, Stripped, WithJsonSchema({"type": "string", "format": "uri"})]
WebhookHeaders = Annotated[dict[str, str], BeforeValidator(_webhook_headers), WithJsonSchema(_JSON)]
WebhookInclude = Annotated[
    tuple[str, ...], LoweredAll, AfterValidator(_webhook_include), WithJsonSchema({"type": "string"})
]
File = Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]
