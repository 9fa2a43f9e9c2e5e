"""Server-sent events: a job's news, those of all jobs, and OpenAI's streamed transcription."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

from starlette.concurrency import run_in_threadpool

from api.answers.formats import diarized_segment, segment_id, streamed_done
from api.answers.open_answers import HeldStream
from api.http.errors import ApiError, record_unreadable, unexpected
from api.state import AppState
from api.streaming.job_event_stream import Cursor, JobEvent, follow
from api.streaming.owner_stream import watch_jobs
from worker.store.job_store import JobNotFound, RecordBroken
from worker.store.records import JobRequest

log = logging.getLogger(__name__)

PING = ": ping\n\n"
# Proxies (nginx) hold an answer back until it is whole unless told otherwise.
_HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


def job_events(service: AppState, job: JobRequest, cursor: Cursor | None, held: ExitStack) -> HeldStream:
    """`GET /v1/jobs/{id}/events`: named events with ids to resume after. held: until the last of them."""
    return _streamed(_job_events(service, job, cursor), held)


def owner_events(service: AppState, owner: str, last: str | None, held: ExitStack) -> HeldStream:
    """`GET /v1/jobs/events`: as `job_events`, of all of the owner's jobs. last: the id its reader comes back with."""
    return _streamed(_owner_events(service, owner, last), held)


def transcription_events(service: AppState, job: JobRequest, held: ExitStack) -> HeldStream:
    """`stream=true`: `transcript.text.delta` for each piece of text, `transcript.text.done` with all of it, `[DONE]`.
    With `diarized_json` also `transcript.text.segment`, whose speaker is who it seems to be by then. A failure in
    between is an `error`, which the SDK raises."""
    return _streamed(_transcription_events(service, job), held)


def _streamed(events: AsyncIterator[str], held: ExitStack) -> HeldStream:
    return HeldStream(events, held, media_type="text/event-stream", headers=_HEADERS)


async def _job_events(service: AppState, job: JobRequest, cursor: Cursor | None) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"  # milliseconds after which a browser comes back
    try:
        async for news in follow(service, job, cursor):
            yield PING if news is None else f"id: {news.id}\nevent: {news.name}\ndata: {_json(news.data)}\n\n"
    except RecordBroken as error:
        yield f"event: error\n{_error(record_unreadable(error))}"


async def _owner_events(service: AppState, owner: str, last: str | None) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    async for event in watch_jobs(service, owner, last):
        if event is None:
            yield PING
        else:
            told = f"event: {event.name}\ndata: {_json(event.data)}\n" if event.name else ""
            yield f"id: {event.id}\n{told}\n"


async def _transcription_events(service: AppState, job: JobRequest) -> AsyncIterator[str]:
    has_ended = False
    service.waiters.returned(job.id)
    deltas = _Deltas()
    try:
        async for news in follow(service, job):
            if news is None:
                yield PING
            elif news.name == "segment" and (delta := deltas.next(news.data["text"])):
                for event in _said(job, news.data, delta):
                    yield _data(event)
            elif news.name == "done":
                has_ended = True
                yield await run_in_threadpool(_ending, service, job, news)
                return
        yield _error(ApiError("shutting_down", f"The server restarts. The transcription goes on as {job.id}."))
    except RecordBroken as error:  # too late for a status
        yield _error(record_unreadable(error))
    except Exception:
        log.exception("The stream of %s failed", job.id)
        yield _error(unexpected())
    finally:
        if not has_ended:
            service.waiters.abandon(job.id)


def _said(job: JobRequest, segment: dict[str, Any], delta: str) -> Iterator[dict[str, Any]]:
    if job.response_format != "diarized_json":
        yield {"type": "transcript.text.delta", "delta": delta}
        return
    yield {"type": "transcript.text.delta", "delta": delta, "segment_id": segment_id(segment["id"])}
    yield diarized_segment(segment)


def _ending(service: AppState, job: JobRequest, done: JobEvent) -> str:
    status = done.data["status"]
    try:
        if status == "finished":
            return _data(streamed_done(service.store.transcript(job.id))) + "data: [DONE]\n\n"
        if status == "failed":
            return _error(ApiError(done.data["error"]["code"], done.data["error"]["message"]))
        return _error(ApiError("canceled", f"The job {job.id} was {status}."))
    except JobNotFound:
        return _error(ApiError("canceled", f"The job {job.id} was deleted."))
    finally:
        with contextlib.suppress(JobNotFound):
            service.jobs.answered(job)


class _Deltas:
    """Pieces that, put together, are the transcript's text: without the space it begins with, or any it ends with."""

    def __init__(self) -> None:
        self._space = ""
        self._has_begun = False

    def next(self, text: str) -> str:
        whole = self._space + text
        if not self._has_begun:
            whole = whole.lstrip()
        delta = whole.rstrip()
        self._space = whole[len(delta) :]
        self._has_begun |= bool(delta)
        return delta


def _error(error: ApiError) -> str:
    return _data(error.body())


def _data(data: dict[str, Any]) -> str:
    return f"data: {_json(data)}\n\n"


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
