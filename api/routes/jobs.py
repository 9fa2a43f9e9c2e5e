"""Jobs: hand a recording in, come back for its transcript."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from api.answers.recording import RecordingResponse
from api.http.access import Owner
from api.http.errors import ApiError
from api.http.ranges import check_range
from api.intake.changes.job_changes import JOB_CHANGES, apply, read_job_changes
from api.intake.form_document import form_operation, retry_operation
from api.routes.retrying import retry
from api.routes.submission import Submitter, accepted, submit
from api.schema.jobs import DeletedJob, Job, JobEvent, JobList, JobsEvent, Peaks
from api.schema.responses import EVENTS, RECORDING, answer, event_schema, json_answer
from api.state import AppState, AppStateDep
from api.streaming.job_event_stream import END, Cursor
from api.streaming.transcript_stream import job_events, owner_events
from worker.jobs.asked import Asked
from worker.store.job_store import JobNotFound
from worker.store.records import STATES, JobRequest, State, is_job_id

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_STATUSES = f"Only jobs of these, with commas: {', '.join(STATES)}"
_QUERY = "Only jobs with all these words in their name, title, metadata or transcript, whatever the case and accents"
Limit = Annotated[int, Query(ge=1, le=100)]
Playable = Annotated[
    bool,
    Query(description="Of an ended job: a copy that browsers play and jump about in, if the recording itself is none"),
]
Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to hold the answer until the job ends")]

_RECORDING = {**answer("The recording", RECORDING), **answer("A part of it", RECORDING, 206)}
_EVENTS = {
    **answer("The job's events", {EVENTS: event_schema(JobEvent)}),
    **answer("The reader has had all there is", {}, 204),
}
_ALL_EVENTS = answer("The jobs' events", {EVENTS: event_schema(JobsEvent)})
_RESUMED = {
    "parameters": [
        {
            "in": place,
            "name": name,
            "description": "The id of the last event the reader had",
            "schema": {"type": "string"},
        }
        for place, name in (("header", "Last-Event-ID"), ("query", "last_event_id"))
    ]
}


@router.post("", status_code=202, responses=json_answer(Job, "The job", 202), openapi_extra=form_operation("job"))
async def create_job(request: Request, service: AppStateDep, owner: Owner) -> Response:
    """Queues a recording: as a form, or as the body itself (audio/*, video/*) with the fields in the query."""
    return await accepted(service, await submit(request, service, "job", Submitter(owner, waits=False)))


@router.get("", response_model=None, responses=json_answer(JobList, "A page of jobs"))
async def list_jobs(
    service: AppStateDep,
    owner: Owner,
    limit: Limit = 20,
    after: str | None = None,
    status: Annotated[str, Query(description=_STATUSES)] = "",
    q: Annotated[str, Query(max_length=200, description=_QUERY)] = "",
    order: Annotated[Literal["asc", "desc"], Query(description="By when they came: `desc` is newest first")] = "desc",
) -> JSONResponse:
    """The caller's own jobs, newest first; `after` is the last id of the page before."""
    asked = Asked(after, _statuses(status), q, order == "asc")
    if after is not None and not is_job_id(after):
        raise ApiError("invalid_value", "'after' is the id of a job, such as the last answer's last_id.", param="after")
    run = run_in_threadpool if asked.are_ended else service.redis_threads.run  # what has ended is on disk
    return await run(_page, service, owner, limit, asked)


@router.get("/events", response_class=Response, responses=_ALL_EVENTS, openapi_extra=_RESUMED)
async def follow_jobs(request: Request, service: AppStateDep, owner: Owner) -> Response:
    """What happens to all of the caller's jobs, as server-sent events: job, progress, positions, deleted. With
    `Last-Event-ID` (or `?last_event_id=`) it tells what changed since, or `reset`: read the list anew."""
    with ExitStack() as held:
        held.enter_context(service.open_answers.held(owner))
        return owner_events(service, owner, _last_event_id(request), held.pop_all())


@router.get("/{job_id}", response_model=None, responses=json_answer(Job, "The job"))
async def retrieve_job(job_id: str, service: AppStateDep, owner: Owner, wait: Wait = 0) -> dict[str, Any]:
    """The job as it stands, or as it stands when it ends or `wait` seconds have passed."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    if wait:
        with service.open_answers.held(owner):
            await service.waiters.ended(job.id, wait)
    return await view(service, job)


@router.patch(
    "/{job_id}",
    response_model=None,
    responses=json_answer(Job, "The job as it is now"),
    openapi_extra=JOB_CHANGES,
)
async def update_job(job_id: str, request: Request, service: AppStateDep, owner: Owner) -> dict[str, Any]:
    """Gives the job a title, or a finished one's speakers names, which its transcript has in every format from then
    on."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    changes = await read_job_changes(request)
    await run_in_threadpool(apply, service.store, job, changes)
    await service.redis_threads.run(service.jobs.tell_changed, job.id)
    return await view(service, job)


@router.get("/{job_id}/audio", response_class=Response, responses=_RECORDING)
async def retrieve_audio(
    job_id: str, request: Request, service: AppStateDep, owner: Owner, playable: Playable = False
) -> Response:
    """The recording as it was sent; Range requests are served."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    is_copy = playable and await _has_playable(service, job, owner)
    return await run_in_threadpool(_audio, service, job, request, is_copy)


@router.get("/{job_id}/peaks", response_model=None, responses=json_answer(Peaks, "The waveform"))
async def retrieve_peaks(job_id: str, service: AppStateDep, owner: Owner) -> dict[str, Any]:
    """The recording's waveform, once the job has finished; also when the recording is deleted by then."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    waveform = await run_in_threadpool(service.store.waveform, job.id)
    if waveform is None:
        why = "it has not finished, was answered at once, or is older than waveforms are"
        raise ApiError("peaks_not_found", f"The job {job.id} has no waveform: {why}.", param="id")
    return {"duration": waveform.duration, "peaks": waveform.peaks}


@router.get("/{job_id}/events", response_class=Response, responses=_EVENTS, openapi_extra=_RESUMED)
async def follow_job(job_id: str, request: Request, service: AppStateDep, owner: Owner) -> Response:
    """The job's news as server-sent events: state, progress, segment, and done as the last. A reader that comes back
    with `Last-Event-ID` (or `?last_event_id=`) goes on where it was."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    last = _last_event_id(request)
    if last == END:
        return Response(status_code=204)  # which keeps a browser from coming back
    try:
        cursor = Cursor.parse(last) if last else None
    except ValueError:
        message = f"'{last}' is no id of this service's events. Send the last one you had, or none to begin anew."
        raise ApiError("invalid_value", message, param="last_event_id") from None
    with ExitStack() as held:
        held.enter_context(service.open_answers.held(owner))
        return job_events(service, job, cursor, held.pop_all())


@router.post("/{job_id}/cancel", response_model=None, responses=json_answer(Job, "The job"))
async def cancel_job(job_id: str, service: AppStateDep, owner: Owner) -> dict[str, Any]:
    """Ends a job that waits or runs."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    if not await service.redis_threads.run(service.jobs.cancel, job.id):
        status = (await view(service, job))["status"]
        raise ApiError("job_already_ended", f"The job {job.id} has ended already: {status}.", param="id")
    return await view(service, job)


@router.post(
    "/{job_id}/retry", status_code=202, responses=json_answer(Job, "The job", 202), openapi_extra=retry_operation()
)
async def retry_job(job_id: str, request: Request, service: AppStateDep, owner: Owner) -> Response:
    """Runs a failed or canceled job again. With fields (in the query, a form or a JSON object), or if it has finished,
    a new job of the same recording, with what is not sent as it was."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    return await accepted(service, await retry(request, service, job))


@router.delete("/{job_id}", response_model=None, responses=json_answer(DeletedJob, "It is gone"))
async def delete_job(job_id: str, service: AppStateDep, owner: Owner) -> dict[str, Any]:
    """Removes the job, its recording and its transcript, and stops it if it has not ended."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    await service.redis_threads.run(service.jobs.delete, job)
    return {"id": job.id, "object": "transcription.job", "deleted": True}


def _last_event_id(request: Request) -> str | None:
    return request.headers.get("last-event-id") or request.query_params.get("last_event_id") or None


async def view(service: AppState, job: JobRequest) -> dict[str, Any]:
    """The job object; without a word to Redis if the job has ended."""
    ended = await run_in_threadpool(service.jobs.ended_view, job)
    return ended if ended is not None else await service.redis_threads.run(service.jobs.view, job)


def _page(service: AppState, owner: str, limit: int, asked: Asked) -> JSONResponse:
    page, has_more = service.jobs.views(owner, limit, asked)
    last_id = page[-1]["id"] if page else None
    return JSONResponse({"object": "list", "data": page, "has_more": has_more, "last_id": last_id})


def _statuses(text: str) -> frozenset[State]:
    """Raises ApiError for what is no list of them."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if strange := next((name for name in names if name not in STATES), None):
        message = f"'{strange[:50]}' is no status: send {', '.join(STATES)}, or some of them with commas."
        raise ApiError("invalid_value", message, param="status")
    return frozenset(state for state in STATES if state in names)


async def _has_playable(service: AppState, job: JobRequest, owner: str) -> bool:
    outcome = await run_in_threadpool(service.store.outcome, job.id)
    if outcome is None:  # nobody knows yet which of its tracks is wanted
        return False
    with service.open_answers.held(owner):
        return await service.playable.has(job.id, outcome.track or 1, owner)


def _audio(service: AppState, job: JobRequest, request: Request, is_copy: bool) -> Response:
    open_local = service.store.local_playable if is_copy else service.store.local_source
    try:
        with open_local(job.id) as path:
            recording = RecordingResponse(path, job.filename)
    except FileNotFoundError:
        if not service.store.has(job.id):  # deleted this moment
            raise JobNotFound(job.id) from None
        message = f"The recording of {job.id} is deleted; its transcript may still be there."
        raise ApiError("audio_deleted", message, param="id") from None
    try:
        check_range(request, recording.size)
    except ApiError:
        recording.close()
        raise
    return recording
