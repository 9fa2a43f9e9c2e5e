"""A job once more: as it was, or with other options on the same recording."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

import anyio
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.http.errors import ApiError
from api.http.fields import Fields
from api.intake.changes.fields_body import Pairs, read_fields
from api.intake.form import Form
from api.intake.form_reading import read_form
from api.intake.idempotency import holding_key
from api.intake.parameters import Parameters, read_parameters
from api.intake.speakers.diarization import check_possible
from api.intake.uploads import Received
from api.intake.webhook_fields import origin
from api.routes.submission import Submitter, queued
from api.state import AppState
from engines.base import Listening
from worker.jobs.job_service import CannotRequeue
from worker.store.incoming import Upload
from worker.store.job_store import JobNotFound, JobStore
from worker.store.records import JobRequest
from worker.webhooks.outbox import Outbox

_COUNTS = ("num_speakers", "min_speakers", "max_speakers")


async def retry(request: Request, service: AppState, job: JobRequest) -> JobRequest:
    """The job that runs now; raises ApiError."""
    fields = await read_fields(request, service.settings.upload_stall)
    sent = [(name, value) for name, value in (*request.query_params.multi_items(), *fields) if value.strip()]
    if not {_base(name) for name, _ in sent} & set(Form.model_fields):
        try:
            outbox = Outbox(service.store, now=service.clock.now)
            return await service.redis_threads.run(outbox.requeue, service.jobs, job.id)
        except CannotRequeue as error:
            if error.code != "job_already_ended":
                raise ApiError(error.code, str(error), param="id") from None
    return await _anew(request, service, job, sent)


async def _anew(request: Request, service: AppState, job: JobRequest, sent: Pairs) -> JobRequest:
    async with (
        holding_key(request.headers, service.store, job.owner) as key,
        service.admission.place("batch", job.owner, counts=key.earlier is None),
        _recording(service, job) as upload,
    ):
        if "url" in {name for name, _ in sent}:
            message = "The recording of the job is used again. Send another one's URL to POST /v1/jobs."
            raise ApiError("unsupported_parameter", message, param="url")
        form = read_form(Fields([*sent, *_unsaid(job, sent)]), "job")
        parameters = _with_known_speakers(job, read_parameters(form, "job", service.models, is_job=True))
        check_possible(parameters.diarization, service.check_speakers)
        await run_in_threadpool(_add_references, service.store, job, parameters, upload)
        asked = {name for name in form.model_fields_set if name.startswith("webhook_")}
        webhook = await service.callbacks.read(form, origin(request), is_job=True) if asked else job.webhook
        received = Received(upload, job.filename, (), url=job.url)
        caller = Submitter(job.owner, waits=False)
        return await service.redis_threads.run(
            queued, service, key, received, replace(parameters, webhook=webhook), caller
        )


def _with_known_speakers(job: JobRequest, parameters: Parameters) -> Parameters:
    """Their references lie beside the recording; a query is no place to send others."""
    if job.diarization is None or parameters.diarization is None:
        return parameters
    return replace(parameters, diarization=replace(parameters.diarization, known_names=job.diarization.known_names))


def _add_references(store: JobStore, job: JobRequest, parameters: Parameters, upload: Upload) -> None:
    try:
        for number, _ in enumerate(parameters.diarization.known_names if parameters.diarization else ()):
            with store.local_reference(job.id, number) as reference:
                upload.add_reference(reference.read_bytes())
    except FileNotFoundError:
        raise _audio_deleted() from None


def _audio_deleted() -> ApiError:
    return ApiError("audio_deleted", "The recording is deleted by now: send it again as a new job.", param="id")


@asynccontextmanager
async def _recording(service: AppState, job: JobRequest) -> AsyncIterator[Upload]:
    """The job's recording as another upload. What has not become a job when the block ends is removed."""
    try:
        upload = await run_in_threadpool(_again, service.store, job)
    except FileNotFoundError:
        if not service.store.has(job.id):
            raise JobNotFound(job.id) from None
        raise _audio_deleted() from None
    try:
        yield upload
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(upload.discard)


def _again(store: JobStore, job: JobRequest) -> Upload:
    """Raises FileNotFoundError for a recording that is gone, unless it can be fetched once more."""
    try:
        return store.receive(job.id)
    except FileNotFoundError:
        if not job.url or not store.has(job.id):
            raise
        upload = store.receive()
        upload.refer(job.url)
        return upload


def _unsaid(job: JobRequest, sent: Pairs) -> Pairs:
    """The fields that make the job what it was, without those that are sent now or that these rule out."""
    said = {_base(name) for name, _ in sent}
    if "keywords" in said:
        said.add("hotwords")
    if said & {"response_format", "task"}:
        said.add("timestamp_granularities")
    if said & set(_COUNTS):
        said |= set(_COUNTS)
    return [(name, value) for name, value in _fields_of(job) if name not in said]


def _fields_of(job: JobRequest) -> Iterator[tuple[str, str]]:
    options, listening = job.options, job.options.listening
    if not job.is_default_model:
        yield "model", job.model
    for name in ("task", "language", "prompt", "hotwords", "temperature"):
        if (value := getattr(options, name)) is not None:
            yield name, str(value)
    yield from (("languages", code) for code in options.languages)
    yield "multilingual", str(options.multilingual)
    if options.logprobs:
        yield "include", "logprobs"
    yield "response_format", job.response_format
    if job.response_format == "verbose_json":
        yield from (("timestamp_granularities", each) for each in job.granularities)
    yield from ((name, str(value)) for name, value in asdict(job.layout).items() if value is not None)
    if job.diarization is not None:
        yield "diarize", "true"
        yield from ((name, str(value)) for name in _COUNTS if (value := getattr(job.diarization, name)) is not None)
    yield "priority", job.priority
    yield "metadata", json.dumps(job.metadata, ensure_ascii=False)
    yield from _listening(listening)


def _listening(listening: Listening) -> Iterator[tuple[str, str]]:
    if listening.track is not None:
        yield "track", str(listening.track)
    yield "vad_filter", str(listening.voice_activity)
    before, after = listening.prefix_padding, listening.silence_duration
    strategy = {
        "threshold": listening.threshold,
        "prefix_padding_ms": None if before is None else before * 1000,
        "silence_duration_ms": None if after is None else after * 1000,
    }
    if wanted := {name: value for name, value in strategy.items() if value is not None}:
        yield "chunking_strategy", json.dumps({"type": "server_vad", **wanted})


def _base(name: str) -> str:
    return name.partition("[")[0]
