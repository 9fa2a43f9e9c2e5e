"""OpenAI's audio routes: send a recording, wait, get its transcript."""

from __future__ import annotations

from contextlib import ExitStack

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response

from api.answers.formats import render
from api.answers.transcript_response import transcript_response
from api.http.access import Owner
from api.http.errors import ApiError
from api.intake.form import Route
from api.intake.form_document import form_operation
from api.routes.submission import Submitter, accepted, submit
from api.schema.jobs import Job
from api.schema.responses import json_answer, transcript_answer
from api.state import AppState, AppStateDep
from api.streaming.transcript_stream import transcription_events
from engines.transcript import Transcript
from worker.store.job_store import JobNotFound
from worker.store.records import JobRequest, Outcome

router = APIRouter(tags=["audio"])

_ANSWERS = {**transcript_answer(streams=True), **json_answer(Job, "The job, with `Prefer: respond-async`", 202)}


@router.post(
    "/v1/audio/transcriptions",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra=form_operation("transcription"),
)
async def create_transcription(request: Request, service: AppStateDep, owner: Owner) -> Response:
    """The recording's words, in its own language."""
    return await _answer(request, service, "transcription", owner)


@router.post(
    "/v1/audio/translations",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra=form_operation("translation"),
)
async def create_translation(request: Request, service: AppStateDep, owner: Owner) -> Response:
    """The recording's words, in English."""
    return await _answer(request, service, "translation", owner)


async def _answer(request: Request, service: AppState, route: Route, owner: str) -> Response:
    if _prefers_async(request):
        job = await submit(request, service, route, Submitter(owner, waits=False))
        return await accepted(service, job, {"preference-applied": "respond-async"})
    with ExitStack() as held:
        held.enter_context(service.open_answers.held(owner))
        job = await submit(request, service, route, Submitter(owner, waits=True))
        return (
            transcription_events(service, job, held.pop_all()) if job.stream else await _waited(request, service, job)
        )


async def _waited(request: Request, service: AppState, job: JobRequest) -> Response:
    """The answer once the job has ended."""
    transcript = await awaited(request, service, job, service.settings.sync_timeout)
    return await run_in_threadpool(_written, job, transcript, request.headers)


async def awaited(request: Request, service: AppState, job: JobRequest, patience: float | None) -> Transcript:
    """The transcript once the job has ended; raises ApiError for any other end, or if it takes too long. patience:
    seconds; None for as long as the client stays."""
    try:
        outcome = await service.waiters.ended_while_here(job.id, patience, request.receive)
        if outcome is None:
            raise await run_in_threadpool(_unfinished, service, job)
        return await run_in_threadpool(_transcript, service, job, outcome)
    except JobNotFound:
        raise ApiError("canceled", f"The job {job.id} was deleted.") from None


def _written(job: JobRequest, transcript: Transcript, asked: Headers) -> Response:
    """asked: the request's headers."""
    rendered = render(transcript, job.response_format, job.granularities, job.layout, job.filename)
    return transcript_response(rendered, job.filename, asked)


def _transcript(service: AppState, job: JobRequest, outcome: Outcome) -> Transcript:
    """Of an ended job; raises ApiError if it has none."""
    try:
        if outcome.state == "finished":
            return service.store.transcript(job.id)
        if outcome.state == "canceled":
            raise ApiError("canceled", f"The job {job.id} was canceled.")
        raise ApiError.of_job(outcome.error)
    finally:
        service.jobs.answered(job)


def _unfinished(service: AppState, job: JobRequest) -> ApiError:
    where = f"It goes on as {job.id}: GET /v1/jobs/{job.id}?wait=30, then /v1/jobs/{job.id}/transcript."
    if service.waiters.is_closing:
        return ApiError("shutting_down", f"The server restarts before this transcription is done. {where}")
    seconds = f"{service.settings.sync_timeout:g}"
    retry = service.store.retry(job.id)
    why = f" Its last try ended with {retry.cause.code}: {retry.cause.message}" if retry else ""
    late = f"The transcription takes longer than {seconds} s (WHISPER_SYNC_TIMEOUT).{why}"
    return ApiError("sync_timeout", f"{late} {where}")


def _prefers_async(request: Request) -> bool:
    preferences = ",".join(request.headers.getlist("prefer")).lower().split(",")
    return any(preference.partition(";")[0].strip() == "respond-async" for preference in preferences)
