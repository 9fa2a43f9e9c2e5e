"""What a client asked for, as engine options: the rules that more than one field, or the service, has a say in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from api.http.errors import ApiError
from api.http.fields import Fields
from api.intake.form import Form, Route
from api.intake.form_reading import read_transcript_query
from api.intake.form_types import Granularities, ResponseFormat
from api.intake.served_models import ServedModels
from engines.base import DecodeOptions, Listening, Task
from worker.store.records import JobRequest, Priority, Webhook

TIMED_FORMATS = ("verbose_json", "srt", "vtt")


@dataclass(frozen=True, slots=True)
class Parameters:
    """A checked request. granularities: of verbose_json's times. is_default_model: no model was asked for."""

    model: str
    response_format: ResponseFormat
    granularities: tuple[str, ...]
    options: DecodeOptions
    priority: Priority = "batch"
    metadata: dict[str, Any] = field(default_factory=dict)
    stream: bool = False
    webhook: Webhook | None = None
    is_default_model: bool = False


def read_parameters(form: Form, route: Route, models: ServedModels, *, is_job: bool) -> Parameters:
    """The request's parameters; raises ApiError if they do not go together. is_job: nobody waits for the answer."""
    model = _model(form, models)
    if route == "job" and form.stream:
        raise _unsupported("stream", "A job's text can be read as it comes at GET /v1/jobs/{id}/events")
    task = form.task if route == "job" else _TASKS[route]
    wanted = () if route == "translation" else form.timestamp_granularities
    granularities = _granularities(wanted, form.response_format, task)
    models.check_languages(model, task, form.language)
    options = DecodeOptions(
        task=task,
        language=form.language,
        languages=form.languages,
        multilingual=form.multilingual,
        words=is_job or form.response_format in TIMED_FORMATS,  # a job's transcript is asked for in any format later
        prompt=form.prompt,
        hotwords=form.phrases,
        temperature=form.temperature,
        listening=_listening(form),
    )
    return Parameters(
        model,
        form.response_format,
        granularities,
        options,
        form.priority,
        form.metadata,
        stream=not is_job and _stream(form),
        is_default_model=form.model is None,
    )


def read_transcript_format(fields: Fields, request: JobRequest) -> tuple[str, tuple[str, ...]]:
    """Format and granularities in which an ended job's transcript is asked for; default: as the job was sent."""
    query = read_transcript_query(fields)
    response_format = query.format or request.response_format
    if not query.timestamp_granularities:
        return response_format, request.granularities
    granularities = _granularities(query.timestamp_granularities, response_format, request.options.task)
    if "word" in granularities and not request.options.words:
        message = "This transcript has no word times, because its client did not ask for them. Send it to /v1/jobs"
        raise _invalid("timestamp_granularities", message)
    return response_format, granularities


_TASKS: dict[Route, Task] = {"transcription": "transcribe", "translation": "translate"}


def _model(form: Form, models: ServedModels) -> str:
    if form.model is None:
        return models.default
    models.check(form.model)
    return form.model


def _listening(form: Form) -> Listening:
    """Voice activity as the request wants it: seconds where OpenAI has milliseconds."""
    wanted = form.chunking_strategy or {}
    before, after = wanted.get("prefix_padding_ms"), wanted.get("silence_duration_ms")
    return Listening(
        track=form.track,
        voice_activity=form.vad_filter,
        threshold=wanted.get("threshold"),
        prefix_padding=None if before is None else before / 1000,
        silence_duration=None if after is None else after / 1000,
    )


def _stream(form: Form) -> bool:
    if form.stream and form.response_format in TIMED_FORMATS:
        message = (
            f"A stream is text as it comes, not '{form.response_format}'; send response_format 'json' or 'text' with it"
        )
        raise _unsupported("stream", f"{message}, or send a job and follow its events, which have times")
    return form.stream


def _granularities(wanted: Granularities, response_format: str, task: str) -> tuple[str, ...]:
    param = "timestamp_granularities"
    if not wanted:
        return ("segment",)
    if response_format != "verbose_json":
        raise _invalid(param, f"'{param}' needs response_format 'verbose_json'")
    if "word" in wanted and task == "translate":
        raise _invalid(param, "Words of a translation have no times of their own; ask for 'segment'")
    return tuple(sorted(set(wanted)))


def _invalid(param: str, message: str) -> ApiError:
    return ApiError("invalid_value", f"{message}.", param=param)


def _unsupported(param: str, message: str) -> ApiError:
    return ApiError("unsupported_parameter", f"{message}.", param=param)
