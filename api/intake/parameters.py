"""What a client asked for, checked: form fields in, engine options out. Each refusal names its parameter."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from api.http.errors import ApiError
from api.http.fields import Fields
from api.intake.served_models import ServedModels
from engines.base import DecodeOptions, Task
from engines.languages import language_code
from worker.store.records import PRIORITIES, JobRequest, Priority, Webhook

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
FORMATS: tuple[ResponseFormat, ...] = get_args(ResponseFormat)
TIMED_FORMATS = ("verbose_json", "srt", "vtt")
GRANULARITIES = ("segment", "word")
Route = Literal["transcription", "translation", "job"]
Choice = TypeVar("Choice", bound=str)

MAX_PROMPT = 10_000  # characters; Whisper reads the last 224 tokens
MAX_METADATA = 16 * 1024  # bytes
_OFF = ("false", "0", "no", "off", "null", "none")
_ON = ("true", "1", "yes", "on")


@dataclass(frozen=True, slots=True)
class Parameters:
    """A checked request. granularities: of verbose_json's times."""

    model: str
    response_format: ResponseFormat
    granularities: tuple[str, ...]
    options: DecodeOptions
    priority: Priority = "batch"
    metadata: dict[str, Any] = field(default_factory=dict)
    stream: bool = False
    webhook: Webhook | None = None


def check_name(name: str) -> None:
    """Refuses a field by its name alone, before its content is read."""
    base = name.partition("[")[0]
    if base in ("known_speaker_names", "known_speaker_references"):
        raise _unsupported(base, "Speakers cannot be told apart by this version")


def read_parameters(fields: Fields, route: Route, models: ServedModels, *, is_job: bool) -> Parameters:
    """The request's parameters; raises ApiError for the first bad one. is_job: nobody waits for the answer."""
    model = _model(fields, route, models)
    _refuse_unsupported(fields, route)
    task = _task(fields, route)
    response_format = _response_format(fields.one("response_format"), "response_format")
    granularities = ("segment",) if route == "translation" else _granularities(fields, response_format, task)
    language = _language(fields.one("language"), "language")
    models.check_languages(model, task, language)
    options = DecodeOptions(
        task=task,
        language=language,
        languages=tuple(code for text in fields.many("languages") if (code := _language(text, "languages"))),
        multilingual=_switch(fields, "multilingual"),
        words=is_job or response_format in TIMED_FORMATS,  # a job's transcript is asked for in any format later
        prompt=_text(fields.one("prompt"), "prompt"),
        hotwords=_hotwords(fields),
        temperature=_temperature(fields.one("temperature")),
    )
    return Parameters(
        model,
        response_format,
        granularities,
        options,
        _priority(fields.one("priority")),
        _metadata(fields),
        stream=not is_job and _stream(fields, response_format),
    )


def read_transcript_format(fields: Fields, request: JobRequest) -> tuple[ResponseFormat, tuple[str, ...]]:
    """Format and granularities in which an ended job's transcript is asked for; default: as the job was sent."""
    response_format = _response_format(fields.one("format") or request.response_format, "format")
    if not fields.many("timestamp_granularities"):
        return response_format, request.granularities
    granularities = _granularities(fields, response_format, request.options.task)
    if "word" in granularities and not request.options.words:
        message = "This transcript has no word times, because its client did not ask for them. Send it to /v1/jobs"
        raise _invalid("timestamp_granularities", message)
    return response_format, granularities


def _model(fields: Fields, route: Route, models: ServedModels) -> str:
    name = fields.one("model")
    if name is None:
        if route == "job":
            return models.default
        message = f"The field 'model' is missing. Send '{models.default}' or 'whisper-1'."
        raise ApiError("missing_required_parameter", message, param="model")
    models.check(name.strip())
    return name.strip()


def _refuse_unsupported(fields: Fields, route: Route) -> None:
    if route == "job" and _switch(fields, "stream"):
        raise _unsupported("stream", "A job's text can be read as it comes at GET /v1/jobs/{id}/events")
    for value in fields.many("include"):
        if value == "logprobs":
            raise _unsupported("include", "Log probabilities of tokens are not given by this version yet")
        raise _invalid("include", f"'{value[:100]}' cannot be included")
    _check_chunking(fields)


def _stream(fields: Fields, response_format: ResponseFormat) -> bool:
    if not _switch(fields, "stream"):
        return False
    if response_format in TIMED_FORMATS:
        message = (
            f"A stream is text as it comes, not '{response_format}'; send response_format 'json' or 'text' with it"
        )
        raise _unsupported("stream", f"{message}, or send a job and follow its events, which have times")
    return True


def _switch(fields: Fields, param: str) -> bool:
    text = (fields.one(param) or "false").strip().lower()
    if text not in (*_ON, *_OFF):
        raise _invalid(param, f"'{param}' is true or false")
    return text in _ON


def _check_chunking(fields: Fields) -> None:
    """Accepted and not needed: recordings are always cut where the service's own voice activity finds pauses."""
    text, nested = fields.one("chunking_strategy"), fields.nested("chunking_strategy")
    if text is None and not nested:
        return
    if text is not None and text.strip().lower() in ("auto", "null"):
        return
    strategy = nested if text is None else _json_object(text)
    if strategy is None or strategy.get("type") != "server_vad":
        raise _invalid("chunking_strategy", "'chunking_strategy' is 'auto' or an object of type 'server_vad'")


def _task(fields: Fields, route: Route) -> Task:
    if route != "job":
        return "translate" if route == "translation" else "transcribe"
    return _choice(fields.one("task"), "task", get_args(Task), "transcribe")


def _response_format(value: str | None, param: str) -> ResponseFormat:
    if value == "diarized_json":
        raise _unsupported(param, f"Speakers cannot be told apart by this version; it has {_listed(FORMATS)}")
    return _choice(value, param, FORMATS, "json")


def _granularities(fields: Fields, response_format: ResponseFormat, task: Task) -> tuple[str, ...]:
    param = "timestamp_granularities"
    wanted = fields.many(param)
    if not wanted:
        return ("segment",)
    if response_format != "verbose_json":
        raise _invalid(param, f"'{param}' needs response_format 'verbose_json'")
    if "word" in wanted and task == "translate":
        raise _invalid(param, "Words of a translation have no times of their own; ask for 'segment'")
    return tuple(sorted({_choice(value, param, GRANULARITIES, "segment") for value in wanted}))


def _language(value: str | None, param: str) -> str | None:
    if value is None or value.strip().lower() == "auto":
        return None
    code = language_code(value)
    if code is None:
        message = f"'{value[:100]}' is no language Whisper knows. Send an ISO 639-1 code such as 'en', 'de' or 'ja'"
        raise _invalid(param, f"{message}, or leave the field out to have the language found")
    return code


def _temperature(value: str | None) -> float:
    """0 lets the engine raise it by steps where a window comes out badly."""
    try:
        temperature = float(value) if value is not None else 0.0
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= 1:  # also refuses nan
        raise _invalid("temperature", "'temperature' is a number from 0 to 1")
    return temperature


def _text(value: str | None, param: str) -> str | None:
    if value is not None and len(value) > MAX_PROMPT:
        raise _invalid(param, f"'{param}' is longer than {MAX_PROMPT} characters")
    return value


def _hotwords(fields: Fields) -> str | None:
    words = [*filter(None, [fields.one("hotwords")]), *fields.many("keywords")]
    return _text(", ".join(words) or None, "keywords")


def _priority(value: str | None) -> Priority:
    return _choice(value, "priority", PRIORITIES, "batch")


def _metadata(fields: Fields) -> dict[str, Any]:
    text = fields.one("metadata")
    if text is None:
        return {}
    if len(text.encode()) > MAX_METADATA:
        raise _invalid("metadata", f"'metadata' is larger than {MAX_METADATA} bytes")
    metadata = _json_object(text)
    if metadata is None:
        raise _invalid("metadata", '\'metadata\' is a JSON object, such as {"meeting": "weekly"}')
    return metadata


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # or it could not be answered
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _choice(value: str | None, param: str, allowed: tuple[Choice, ...], default: Choice) -> Choice:
    if value is None:
        return default
    for choice in allowed:
        if value.strip() == choice:
            return choice
    raise _invalid(param, f"'{value[:100]}' is no '{param}'; it is one of {_listed(allowed)}")


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _invalid(param: str, message: str) -> ApiError:
    return ApiError("invalid_value", f"{message}.", param=param)


def _unsupported(param: str, message: str) -> ApiError:
    return ApiError("unsupported_parameter", f"{message}.", param=param)
