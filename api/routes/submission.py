"""From a request with a recording to a job in its queue: the same for every route that takes one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from api.http.errors import ApiError
from api.http.fields import Fields
from api.intake.declared_duration import ASSUMED, declared_seconds
from api.intake.form import Form, Route
from api.intake.form_reading import read_form
from api.intake.idempotency import Key, fingerprint, holding_key, repeated, submit_once, submit_with_key
from api.intake.parameters import Parameters, read_parameters
from api.intake.speakers.diarization import check_possible
from api.intake.speakers.references import check_length
from api.intake.uploads import JOBS, OPENAI, Dialect, Received, receive
from api.intake.webhook_fields import origin
from api.state import AppState
from engines.transcript import TranscriptWarning
from worker.outbound.target import Refused, without_credentials
from worker.runtime import logs
from worker.store.records import JobRequest
from worker.telemetry import tracing

MAX_NAMED = 20  # names of fields that were not read, in a warning


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who sends a recording, and whether they wait for its transcript."""

    owner: str
    waits: bool

    @property
    def kind(self) -> Literal["sync", "job"]:
        return "sync" if self.waits else "job"


async def submit(
    request: Request,
    service: AppState,
    route: Route,
    caller: Submitter,
    dialect: Dialect | None = None,
    *,
    only_language: bool = False,
) -> JobRequest:
    """Takes the upload in and queues it; raises ApiError and leaves nothing behind if that is not possible.

    Returns an earlier job if the request is the repeat of the one that made it. dialect: None for our own and OpenAI's.
    only_language: what is spoken is all that is wanted.
    """
    dialect = dialect or (JOBS if route == "job" else OPENAI)
    async with (
        holding_key(request.headers, service.store, caller.owner) as key,
        _kept(service, key),
        service.admission.place("interactive" if caller.waits else "batch", caller.owner, counts=key.earlier is None),
        receive(request, service.store, service.settings, dialect) as received,
    ):
        form, is_job = read_form(Fields(received.fields), route), not caller.waits
        parameters = read_parameters(form, route, service.models, is_job=is_job)
        parameters = _possible(parameters, service, dialect)
        webhook = await service.callbacks.read(form, origin(request), is_job=is_job)
        options = replace(parameters.options, only_language=only_language)
        parameters = replace(parameters, webhook=webhook, options=options)
        await _check_url(service, received)
        if form.known_speaker_references:
            await run_in_threadpool(_add_references, received, form)
        job = await service.redis_threads.run(queued, service, key, received, parameters, caller)
        logs.job_id.set(job.id)
        return job


async def _check_url(service: AppState, received: Received) -> None:
    """Raises ApiError for one that is never fetched."""
    if not received.url:
        return
    try:
        await service.source_urls.check(without_credentials(received.url)[0])
    except Refused as error:
        raise ApiError("url_not_allowed", str(error)) from None
    received.upload.refer(received.url)


@asynccontextmanager
async def _kept(service: AppState, key: Key) -> AsyncIterator[None]:
    """While a request comes in again, the job it will get is not given up because its client had left."""
    with service.waiters.following(key.earlier.job_id) if key.earlier else nullcontext():
        yield


def queued(service: AppState, key: Key, received: Received, parameters: Parameters, caller: Submitter) -> JobRequest:
    """The job that becomes of a recording, or the earlier one that it repeats. Blocks: run it in a thread."""
    store, job_service, upload = service.store, service.jobs, received.upload
    job = _job(received, parameters, caller)
    mark = fingerprint(upload.digest, parameters, caller.kind)
    if key.earlier:
        return repeated(store, key.earlier, mark, fingerprint(upload.digest, parameters, caller.kind, is_earlier=True))
    if key.claim:
        submit_with_key(job_service, upload, job, key.claim, mark)
        return job
    if caller.waits:
        return submit_once(store, job_service, upload, job, mark, service.timing)
    job_service.submit(upload, job)
    return job


async def accepted(service: AppState, job: JobRequest, headers: dict[str, str] | None = None) -> JSONResponse:
    """The 202 that promises the job."""
    view = await service.redis_threads.run(service.jobs.view, job)
    return JSONResponse(view, 202, {"location": view["urls"]["self"], **(headers or {})})


def _job(received: Received, parameters: Parameters, caller: Submitter) -> JobRequest:
    return JobRequest(
        id=received.upload.id,
        owner=caller.owner,
        kind=caller.kind,
        priority="interactive" if caller.waits else parameters.priority,
        model=parameters.model,
        response_format=parameters.response_format,
        granularities=parameters.granularities,
        filename=received.filename,
        size=received.upload.size,
        options=parameters.options,
        metadata=parameters.metadata,
        stream=caller.waits and parameters.stream,
        webhook=parameters.webhook,
        declared_seconds=_declared_seconds(received),
        is_default_model=parameters.is_default_model,
        warnings=_warnings(received.unread),
        layout=parameters.layout,
        url=received.url,
        diarization=parameters.diarization,
        traceparent=tracing.current(),
    )


def _possible(parameters: Parameters, service: AppState, dialect: Dialect) -> Parameters:
    """Raises ApiError if speakers are asked for and cannot be told apart, unless that is put up with."""
    try:
        check_possible(parameters.diarization, service.check_speakers)
    except ApiError:
        if not dialect.may_lack_speakers:
            raise
        return replace(parameters, diarization=None)
    return parameters


def _add_references(received: Received, form: Form) -> None:
    for content in form.known_speaker_references:
        check_length(content)
        received.upload.add_reference(content)


def _warnings(unread: tuple[str, ...]) -> tuple[TranscriptWarning, ...]:
    if not unread:
        return ()
    names = ", ".join(f"'{name[:100]}'" for name in unread[:MAX_NAMED])
    message = f"Query parameters that are not read: {names}. GET /openapi.json lists those that are, and form fields."
    return (TranscriptWarning("unknown_fields", message),)


def _declared_seconds(received: Received) -> float:
    if not received.upload.size:  # it is to be fetched
        return ASSUMED
    with received.upload.read() as recording:
        return declared_seconds(recording, received.upload.size)
