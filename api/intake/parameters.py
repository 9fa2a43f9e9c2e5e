"""What a client asked for, as engine options: the rules that more than one field, or the service, has a say in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from typing import Any

from api.http.errors import ApiError
from api.http.fields import Fields
from api.intake.form import Form, Route, TranscriptQuery
from api.intake.form_reading import read_transcript_query
from api.intake.form_types import Granularities, ResponseFormat
from api.intake.served_models import ServedModels
from api.intake.speakers.diarization import check_task, read_diarization
from engines.base import DecodeOptions, Listening, Task
from worker.store.records import Diarization, JobRequest, Layout, Priority, Webhook

TIMED_FORMATS = ("verbose_json", "srt", "vtt", "md", "docx", "csv", "tsv")


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
    layout: Layout = Layout()
    diarization: Diarization | None = None


def read_parameters(form: Form, route: Route, models: ServedModels, *, is_job: bool) -> Parameters:
    """The request's parameters; raises ApiError if they do not go together. is_job: nobody waits for the answer."""
    model = _model(form, models)
    if route == "job" and form.stream:
        raise _unsupported("stream", "A job's text can be read as it comes at GET /v1/jobs/{id}/events")
    task = form.task if route == "job" else _TASKS[route]
    wanted = () if route == "translation" else form.timestamp_granularities
    granularities = _granularities(wanted, form.response_format, task)
    models.check_languages(model, task, form.language)
    layout = _layout(form, Layout())
    diarization = read_diarization(form, task)
    return Parameters(
        model,
        form.response_format,
        granularities,
        _options(form, task, layout, is_job=is_job, is_diarized=diarization is not None),
        form.priority,
        form.metadata,
        stream=not is_job and form.stream and form.response_format not in TIMED_FORMATS,  # as OpenAI for whisper-1
        is_default_model=form.model is None,
        layout=layout,
        diarization=diarization,
    )


def read_transcript_format(fields: Fields, request: JobRequest) -> tuple[str, tuple[str, ...], Layout]:
    """Format, granularities and layout in which an ended job's transcript is asked for; default: as the job was
    sent."""
    query = read_transcript_query(fields)
    response_format, layout = query.format or request.response_format, _layout(query, request.layout)
    if response_format == "diarized_json":
        check_task(request.options.task)
        if request.diarization is None:
            raise _invalid("format", "Nobody asked for the speakers of this job. Send it to /v1/jobs with 'diarize'")
    if not query.timestamp_granularities:
        return response_format, request.granularities, layout
    granularities = _granularities(query.timestamp_granularities, response_format, request.options.task)
    if "word" in granularities and not request.options.words:
        message = "This transcript has no word times, because its client did not ask for them. Send it to /v1/jobs"
        raise _invalid("timestamp_granularities", message)
    return response_format, granularities, layout


def wants_original(fields: Fields) -> bool:
    """Whether a transcript is asked for as the machine wrote it."""
    return bool(read_transcript_query(fields).original)


def wants_flat_words(fields: Fields) -> bool:
    """Whether a transcript's words are asked for beside those of its segments."""
    return read_transcript_query(fields).flat_words is not False


def read_excerpt(fields: Fields) -> tuple[float | None, float | None]:
    """Which part of a transcript is asked for, in seconds."""
    query = read_transcript_query(fields)
    return query.start, query.end


def _layout(asked: Form | TranscriptQuery, otherwise: Layout) -> Layout:
    """What is asked for, and else as it would be anyway."""
    names = [each.name for each in dataclasses.fields(Layout)]
    sent = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    return replace(otherwise, **sent)


def _has_times(response_format: str, layout: Layout) -> bool:
    return response_format in TIMED_FORMATS or layout.timestamps or layout.paragraphs or layout.segments


_TASKS: dict[Route, Task] = {"transcription": "transcribe", "translation": "translate"}


def _model(form: Form, models: ServedModels) -> str:
    if form.model is None:
        return models.default
    models.check(form.model)
    return form.model


def _options(form: Form, task: Task, layout: Layout, *, is_job: bool, is_diarized: bool) -> DecodeOptions:
    # a job's transcript is asked for in any format later
    logprobs = "logprobs" in form.include and (is_job or form.response_format == "json")
    return DecodeOptions(
        task=task,
        language=form.language,
        languages=form.languages,
        multilingual=form.multilingual,
        words=is_job or is_diarized or logprobs or _has_times(form.response_format, layout),
        logprobs=logprobs,
        prompt=form.prompt,
        hotwords=form.phrases,
        temperature=form.temperature,
        listening=_listening(form),
    )


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
