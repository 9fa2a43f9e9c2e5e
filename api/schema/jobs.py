"""Jobs, their events, and the webhook message that tells their end."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from api.schema.answer import Absent, Answer, Share, UnixSecond, UnixTime
from api.schema.transcripts import TranscriptWarning
from engines.base import Task
from worker.store.records import Priority, State
from worker.webhooks.schedule import State as DeliveryState


class JobFile(Answer):
    name: str = Field(description="As the client called it, for display")
    bytes: int = Field(description="0 as long as it was not fetched, and once a fetched one is deleted")


class JobFailure(Answer):
    code: str
    message: str


class JobWait(Answer):
    code: str = Field(description="As an error's: what the last try ended with")
    message: str
    tries: int = Field(description="How many there were")
    next_try_at: UnixTime


class JobWebhook(Answer):
    """Its headers are the receiver's secrets and not shown."""

    url: str
    include: list[str]


class JobSpeaker(Answer):
    id: str = Field(description="`A`, `B`, …, or a known speaker's name")
    name: str = Field(description="As the transcript has it")
    seconds: float = Field(description="In which they speak")


class JobUrls(Answer):
    """Paths on this server; absolute URLs in a webhook payload."""

    self: str
    transcript: str
    events: str
    audio: str
    peaks: str
    cancel: str
    deliveries: str
    page: str = Field(description="The page for people, at this job")


class Job(Answer):
    id: str = Field(description="Also part of its URLs")
    object: Literal["transcription.job"]
    status: State
    created_at: UnixSecond
    started_at: UnixSecond | None
    ended_at: UnixSecond | None
    expires_at: UnixSecond | None = Field(
        description="When it is deleted with its transcript, once it has ended; a webhook that is still owed "
        "goes first; `null` if it stays"
    )
    attempts: int | None = Field(description="How often it was begun, once it has ended; more than 1 after crashes")
    model: str = Field(description="As it was asked for")
    task: Task = Field(description="As it was asked for")
    language: str | None = Field(description="As it was asked for")
    detected_language: str | None = Field(
        description="What was spoken, as an ISO 639-1 code: detected, or as it was asked for; once it has finished"
    )
    priority: Priority = Field(description="`interactive` goes first")
    title: str | None = Field(description="What it was called since, in place of its file's name")
    file: JobFile = Field(description="The recording as it was sent")
    url: str | None = Field(description="Where it is fetched from, without credentials and query, if it was not sent")
    progress: Share = Field(description="The share of the recording that is done")
    processed_seconds: float = Field(description="Of audio")
    total_seconds: float | None = Field(description="Of audio, once the recording was opened")
    speed: float | None = Field(description="In times real time")
    eta_seconds: float | None = Field(description="Estimated seconds left, while it runs")
    position: int | None = Field(
        description="How many are before it in the queue, while it waits; other keys' jobs may come between"
    )
    waiting_for: JobWait | None = Field(
        description="Which trouble has to pass, while it waits for its next try; it is not the recording's"
    )
    error: JobFailure | None = Field(description="Why it failed")
    track: int | None = Field(description="The sound track: as it was asked for, or the one that was chosen")
    speakers: list[JobSpeaker] | None = Field(
        description="Who speaks, in order of appearance, once it has finished; if speakers were asked for"
    )
    edited: bool = Field(description="Whether its transcript was corrected")
    warnings: list[TranscriptWarning] = Field(
        description="What its transcript lacks, and what of the request was ignored"
    )
    metadata: dict[str, Any] = Field(description="The client's own")
    webhook: JobWebhook | None = Field(
        description="Where its end is announced, and with which extra fields; headers are not shown"
    )
    urls: JobUrls = Field(description="Paths on this server; absolute URLs in a webhook payload")


class JobList(Answer):
    """A page of the caller's jobs, newest first."""

    object: Literal["list"]
    data: list[Job]
    has_more: bool
    last_id: str | None = Field(description="What `after` takes to go on")


class Peaks(Answer):
    """The recording's waveform, as a player draws it."""

    duration: float = Field(description="Seconds of audio")
    peaks: list[Annotated[int, Field(ge=0, le=255)]] = Field(
        max_length=4000, description="How loud it is at most, in stretches of equal length, the first first"
    )


class DeletedJob(Answer):
    id: str
    object: Literal["transcription.job"]
    deleted: Literal[True]


class Attempt(Answer):
    at: UnixTime
    seconds: float = Field(description="How long it took")
    response_status: int | None = Field(description="What the receiver answered, if it did")
    error: str | None = Field(description="Why there is no answer")


class Delivery(Answer):
    """A job's webhook message and all attempts to deliver it."""

    id: str = Field(description="The message's `webhook-id`, the same at every attempt")
    object: Literal["webhook.delivery"]
    type: str = Field(description="The message's")
    url: str
    status: DeliveryState
    next_attempt_at: UnixTime | None = Field(description="While it is pending")
    attempts: list[Attempt]


class DeliveryList(Answer):
    object: Literal["list"]
    data: list[Delivery]


class StateEvent(Answer):
    """`event: state`."""

    state: State


class ProgressEvent(Answer):
    """`event: progress`. Seconds of audio."""

    processed: float
    total: float


class SegmentEvent(Answer):
    """`event: segment`; also in a webhook's message."""

    id: int
    start: float
    end: float
    text: str
    speaker: str | Absent = Field(
        None, description="If speakers are told apart; while the job runs, as far as is known"
    )


class JobGone(Answer):
    """`event: done` of a job that was deleted; of any other, `done` has the job."""

    id: str
    object: Literal["transcription.job"]
    status: Literal["deleted"]


class JobEvent(RootModel[StateEvent | ProgressEvent | SegmentEvent | Job | JobGone]):
    """The JSON of a `data:` line; the `event:` line before it says which: `state`, `progress`, `segment` or `done`."""


class JobProgress(Answer):
    """`event: progress` of all jobs' events: as in the job."""

    id: str
    progress: Share
    processed_seconds: float
    total_seconds: float | None
    speed: float | None
    eta_seconds: float | None


class JobPositions(Answer):
    """`event: positions`: of jobs that wait, those that have moved; of the 200 that come first."""

    positions: dict[str, int] = Field(description="By the job's id: how many are before it in its queue")


class JobRemoved(Answer):
    """`event: deleted`."""

    id: str


class JobsReset(Answer):
    """`event: reset`: some events are lost. Read the list of jobs anew."""


class JobsEvent(RootModel[Job | JobProgress | JobPositions | JobRemoved | JobsReset]):
    """The JSON of a `data:` line; the `event:` line before it says which: `job`, `progress`, `positions`, `deleted` or
    `reset`."""


class EndedJob(Job):
    """The job, with words if it has finished."""

    text: str | Absent | None = Field(None, description="null if it is long and nobody asked for it")
    segments: list[SegmentEvent] | Absent = Field(None, description="If `webhook_include` has them")


class WebhookMessage(Answer):
    """Sent when a job has ended, signed after Standard Webhooks."""

    type: Literal["transcription.completed", "transcription.failed", "transcription.canceled"]
    timestamp: str = Field(description="When the job ended, ISO 8601", json_schema_extra={"format": "date-time"})
    data: EndedJob
