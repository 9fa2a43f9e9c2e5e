"""What a job is: the request that never changes, the outcome that is written once, and how both lie on disk."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engines.base import DecodeOptions
from engines.transcript import SPARSE, Speaker, Transcript, TranscriptWarning
from worker.store.record_format import RecordFormat

State = Literal["queued", "started", "finished", "failed", "canceled"]
STATES: tuple[State, ...] = ("queued", "started", "finished", "failed", "canceled")
Kind = Literal["sync", "job"]
ENDED = ("finished", "failed", "canceled")  # the states after which a job changes no more
Priority = Literal["interactive", "batch"]
PRIORITIES: tuple[Priority, ...] = ("interactive", "batch")

_JOB_ID = re.compile(r"job_[0-9a-f]{28}")


def new_job_id() -> str:
    """Sorts by time of creation, so that a listing can be read from the directories: 12 digits of milliseconds, 3 of
    the microseconds beyond them, and what tells it from others of that moment."""
    milliseconds, microseconds = divmod(time.time_ns() // 1000, 1000)
    return f"job_{milliseconds:012x}{microseconds:03x}{secrets.randbits(52):013x}"


def upload_began_at(job_id: str) -> float:
    """In unix seconds, as the id says."""
    return int(job_id[4:16], 16) / 1000


def is_job_id(text: str) -> bool:
    return _JOB_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a job's end is told. headers: sent along, and never shown. include: what the message holds besides the
    job. base_url: the service's address as the submitter used it, for links; empty if it is not to be trusted."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    include: tuple[str, ...] = ()
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a transcript is laid out; each format takes what concerns it, None and False are its own ways.

    Of subtitles: max_line_width: columns; max_line_count: lines of a cue; max_words_per_line: instead of a width;
    highlight_words: each underlined while it is said. Of text: timestamps, paragraphs. Of json: segments.
    """

    max_line_width: int | None = None
    max_line_count: int | None = None
    max_words_per_line: int | None = None
    highlight_words: bool = False
    timestamps: bool = False
    paragraphs: bool = False
    segments: bool = False

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != Layout()


@dataclass(frozen=True, slots=True)
class Diarization:
    """That speakers are to be told apart. How many there are, at least, at most, if the request knows. known_names: of
    people who may speak; a reference of each lies beside the recording, in this order (`JobStore.reference`)."""

    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    known_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobRequest:
    """`job.json`: what was asked, by whom. created_at: unix seconds. size: bytes of the upload.

    kind `sync` is a client that waits on the OpenAI route: its audio is deleted once it is answered. stream: whether
    it reads the text as it comes. model: the name as it was asked for. filename: for display only, never a path.
    declared_seconds: how long the file says it is; good enough to count what waits, and for nothing else.
    is_default_model: no model was asked for: `model` was the default then, and what is the default later runs it.
    warnings: what of the request was not heeded. url: where the worker fetches the recording, with its credentials, so
    see `shown_url`; empty if it was sent. `size` is 0 then. diarization: None if speakers are not told apart.
    traceparent: of the request's trace, which the work goes on with; empty if there are no traces.
    """

    id: str
    owner: str
    kind: Kind
    priority: Priority
    model: str
    response_format: str
    granularities: tuple[str, ...]
    filename: str
    size: int
    options: DecodeOptions
    created_at: float = field(default_factory=time.time)
    metadata: dict[str, Any] = field(default_factory=dict)
    stream: bool = False
    webhook: Webhook | None = None
    declared_seconds: float = 0.0
    is_default_model: bool = False
    warnings: tuple[TranscriptWarning, ...] = field(default=(), metadata=SPARSE)
    layout: Layout = field(default=Layout(), metadata=SPARSE)
    url: str = field(default="", metadata=SPARSE)
    diarization: Diarization | None = field(default=None, metadata=SPARSE)
    traceparent: str = field(default="", metadata=SPARSE)


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: a stable code and a sentence that says what to do."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """`outcome.json`: the one terminal state. Times are unix seconds, `duration` is seconds of audio.

    attempts: how often the job was begun; every one but the last ended with its worker. track: the sound track that
    was transcribed, from 1. language: that was spoken, ISO 639-1, if it is known. speakers: see Transcript.
    """

    state: Literal["finished", "failed", "canceled"]
    ended_at: float = field(default_factory=time.time)
    started_at: float | None = None
    duration: float | None = None
    error: JobError | None = None
    warnings: tuple[TranscriptWarning, ...] = ()
    attempts: int = 1
    track: int | None = None
    language: str | None = None
    speakers: tuple[Speaker, ...] = field(default=(), metadata=SPARSE)

    def named(self, names: Mapping[str, str]) -> Outcome:
        """With the names that its speakers were given, by label."""
        return replace(self, speakers=tuple(each.named(names) for each in self.speakers)) if names else self


@dataclass(frozen=True, slots=True)
class SpeakerNames:
    """`speakers.json`: what a transcript's speakers are called, by their labels. It lies beside the transcript, so a
    name can be given, changed and taken back."""

    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waveform:
    """`peaks.json`: how loud a recording is at most, in stretches of equal length: 0 to 255. duration: seconds."""

    duration: float
    peaks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Retry:
    """`retry.json`: trouble that is not the recording's put the job aside. cause: of the last try. tries: how many
    there were. at: when the last one ended, in unix seconds. pause: seconds from then to the next. waited: seconds of
    the pauses before this one. patience: with which it waits (worker.running.retries); empty from an earlier version.
    """

    cause: JobError
    tries: int
    at: float
    pause: float
    waited: float = 0.0
    patience: str = field(default="", metadata=SPARSE)

    @property
    def due_at(self) -> float:
        return self.at + self.pause

    def is_due(self, now: float) -> bool:
        """now: unix seconds. A clock that was set back makes no pause longer."""
        return not self.at <= now < self.due_at


JOB = RecordFormat("job.json", JobRequest, keys={"declared_seconds": "claimed_seconds"})
OUTCOME = RecordFormat("outcome.json", Outcome)
RETRY = RecordFormat("retry.json", Retry)
NAMES = RecordFormat("speakers.json", SpeakerNames)
WAVEFORM = RecordFormat("peaks.json", Waveform)
TRANSCRIPT = RecordFormat("transcript.json", Transcript, is_numbered=False)
