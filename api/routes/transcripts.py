"""Transcripts of ended jobs, one by one or many in a zip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from api.answers.archive import zipped
from api.answers.formats import Rendered, render, verbose_segments
from api.answers.transcript_response import content_disposition, entity_tag, transcript_response
from api.http.access import Owner
from api.http.errors import ApiError
from api.http.fields import Fields
from api.intake.changes.transcript_changes import (
    TRANSCRIPT_CHANGES,
    invalid,
    read_revision,
    read_transcript_changes,
)
from api.intake.form_document import transcript_parameters
from api.intake.parameters import read_excerpt, read_transcript_format, wants_flat_words, wants_original
from api.intake.speakers.names import check_name
from api.routes.jobs import view
from api.schema.responses import BINARY, ZIP, answer, json_answer, transcript_answer
from api.schema.transcripts import TranscriptCorrection
from api.state import AppState, AppStateDep
from worker.store.edits.edits import EditsTooLarge, SegmentChange
from worker.store.edits.transcripts import TranscriptChanged
from worker.store.records import JobRequest, Outcome

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MAX_SPEAKERS = 100  # of a job, with those that people add
MAX_EXPORTED = 200  # jobs; more ids would not fit into a path
_IDS = {
    "in": "query",
    "name": "ids[]",
    "required": True,
    "description": f"Ids of finished jobs, {MAX_EXPORTED} at most; also with commas, as `ids`",
    "schema": {"type": "array", "items": {"type": "string"}, "maxItems": MAX_EXPORTED},
}


@router.get(
    "/export",
    response_class=Response,
    responses=answer("The transcripts", {ZIP: BINARY}),
    openapi_extra=transcript_parameters(_IDS),
)
async def export_transcripts(request: Request, service: AppStateDep, owner: Owner) -> Response:
    """The transcripts of many finished jobs as a zip, named after their recordings: `?ids=job_…,job_…&format=docx`."""
    fields = Fields(request.query_params.multi_items())
    jobs = await run_in_threadpool(_wanted, service, owner, fields)
    pieces = zipped(jobs, lambda job: _rendered(service, job, fields))
    name = content_disposition("transcripts.zip")
    return StreamingResponse(pieces, media_type=ZIP, headers={"content-disposition": name})


@router.get(
    "/{job_id}/transcript",
    response_class=Response,
    responses=transcript_answer(),
    openapi_extra=transcript_parameters(),
)
async def retrieve_transcript(job_id: str, request: Request, service: AppStateDep, owner: Owner) -> Response:
    """A finished job's transcript in any format: `?format=srt&max_line_width=32`."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    fields = Fields(request.query_params.multi_items())
    read_transcript_format(fields, job)  # what cannot be written is refused whether or not the job has ended
    outcome = await run_in_threadpool(service.store.outcome, job.id)
    if outcome is None:
        status = (await view(service, job))["status"]
        remedy = f"GET /v1/jobs/{job.id}?wait=30 answers when it ends."
        raise ApiError("job_not_finished", f"The job {job.id} is {status}. {remedy}", param="id")

    def answered() -> Response:
        _check(service, job, outcome)
        revision = service.store.transcripts.edits(job.id).revision  # before the text: a correction may come between
        return transcript_response(_rendered(service, job, fields), job.filename, request.headers, revision)

    return await run_in_threadpool(answered)


@router.patch(
    "/{job_id}/transcript",
    response_model=None,
    responses=json_answer(TranscriptCorrection, "The new revision, and the corrected segments"),
    openapi_extra=TRANSCRIPT_CHANGES,
)
async def correct_transcript(job_id: str, request: Request, service: AppStateDep, owner: Owner) -> Response:
    """Corrects segments of a finished job's transcript: the text, whose words get times by what stayed, and who says
    it. Every format has it from then on; `original=true` gives what the machine wrote."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    revision, changes = read_revision(request.headers), await read_transcript_changes(request)
    return await service.redis_threads.run(_corrected, service, job, revision, changes)


def _corrected(service: AppState, job: JobRequest, revision: int | None, changes: list[SegmentChange]) -> Response:
    outcome = service.store.outcome(job.id)
    if outcome is None or outcome.state != "finished":
        raise ApiError("job_not_finished", f"The job {job.id} has no transcript that could be corrected.", param="id")
    changes = _with_speakers(service, job, outcome, changes)
    try:
        edits, transcript = service.store.transcripts.change(job.id, revision, changes)
    except TranscriptChanged as error:
        headers = {"etag": entity_tag(error.revision)}
        message = f"{error} Read it, and send what is still to be corrected."
        raise ApiError("transcript_changed", message, param="If-Match", headers=headers) from None
    except KeyError as error:
        raise invalid(f"The transcript has no segment {error}") from None
    except EditsTooLarge as error:
        raise ApiError("invalid_value", f"{error}, or give some of it back.", param="segments") from None
    service.jobs.tell_changed(job.id)
    numbers = {change.id for change in changes}
    part = replace(transcript, segments=tuple(each for each in transcript.segments if each.id in numbers))
    shown = verbose_segments(part, ("segment", "word") if job.options.words else ("segment",))
    answer = {"revision": str(edits.revision), "segments": shown}
    return JSONResponse(answer, headers={"etag": entity_tag(edits.revision)})


def _with_speakers(
    service: AppState, job: JobRequest, outcome: Outcome, changes: list[SegmentChange]
) -> list[SegmentChange]:
    """With the labels of speakers as they are kept; one that is not known yet is a new speaker. Raises ApiError."""
    if not any(change.speaker for change in changes):
        return changes
    if not outcome.speakers:
        raise invalid("Nobody was told apart in the job: it has no speakers")
    known = service.store.transcripts.edits(job.id).speakers(outcome.speakers, {})
    labels = {speaker.label for speaker in known}
    checked = [replace(change, speaker=_label(change.speaker, labels)) for change in changes]
    if len(labels | {change.speaker for change in checked if change.speaker}) > max(MAX_SPEAKERS, len(labels)):
        raise invalid(f"A job has {MAX_SPEAKERS} speakers at most")
    return checked


def _label(speaker: str | None, known: set[str]) -> str | None:
    if speaker is None or speaker in known:
        return speaker
    try:
        return check_name(speaker)
    except ValueError as error:
        raise invalid(f"'speaker' {error}") from None


def _check(service: AppState, job: JobRequest, outcome: Outcome) -> None:
    """Raises ApiError for a job that has ended without a transcript."""
    service.jobs.answered(job)  # it was not at once, where the client on an OpenAI route ran into the time limit
    if outcome.state == "canceled":
        raise ApiError("canceled", f"The job {job.id} was canceled and has no transcript.", param="id")
    if outcome.state == "failed":
        raise ApiError.of_job(outcome.error)


def _rendered(service: AppState, job: JobRequest, fields: Fields) -> Rendered:
    response_format, granularities, layout = read_transcript_format(fields, job)
    transcripts = service.store.transcripts
    whole = transcripts.original(job.id) if wants_original(fields) else transcripts.read(job.id)
    title = transcripts.edits(job.id).title or job.filename
    shown = whole.between(*read_excerpt(fields))
    has_flat_words = "segment" not in granularities or wants_flat_words(fields)
    return render(shown, response_format, granularities, layout, title, has_flat_words=has_flat_words)


def _wanted(service: AppState, owner: str, fields: Fields) -> list[JobRequest]:
    """Raises ApiError unless every one of the jobs has a transcript, before any of them is sent."""
    ids = list(dict.fromkeys(fields.many("ids")))
    if not ids:
        raise ApiError("missing_required_parameter", "Which jobs? Send their ids: ?ids=job_…,job_….", param="ids")
    if len(ids) > MAX_EXPORTED:
        message = f"{len(ids)} jobs are too many for one request: send {MAX_EXPORTED} ids at most."
        raise ApiError("invalid_value", message, param="ids")
    jobs = [service.jobs.request(job_id, owner) for job_id in ids]
    if without := list(_without_transcript(service, jobs)):
        message = f"These jobs have no transcript: {', '.join(without[:10])}. Leave them out, or wait for their end."
        raise ApiError("job_not_finished", message, param="ids")
    for job in jobs:
        read_transcript_format(fields, job)
    return jobs


def _without_transcript(service: AppState, jobs: list[JobRequest]) -> Iterator[str]:
    for job in jobs:
        outcome = service.store.outcome(job.id)
        if outcome is None or outcome.state != "finished":
            yield f"{job.id} ({outcome.state if outcome else 'not ended'})"
