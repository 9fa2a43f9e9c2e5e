"""What a store of jobs can do, wherever it keeps them.

Recordings are given out as files of this machine, since FFmpeg and range requests want to seek: for the length of a
`with` block, whatever becomes of the job meanwhile. A path from such a block is only to be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from engines.transcript import Transcript
from worker.runtime.timing import Timing
from worker.store.attempts import Attempt, AttemptLog
from worker.store.edits.transcripts import Transcripts
from worker.store.idempotency import Claims
from worker.store.incoming import PartialSource, Upload
from worker.store.index.catalog import Catalog
from worker.store.index.job_index import JobIndex
from worker.store.records import JobRequest, Outcome, Retry, Waveform
from worker.store.search.search_index import SearchIndex


class JobStore(Protocol):
    """Where jobs live. All may raise OSError, and for what can be no job's id JobNotFound."""

    @property
    def claims(self) -> Claims: ...

    catalog: Catalog
    index: JobIndex
    search: SearchIndex
    transcripts: Transcripts

    def keep_index(self, timing: Timing) -> None:
        """For whoever serves: from now on there is an index."""
        ...

    # Jobs

    def receive(self, again: str | None = None) -> Upload:
        """again: a job whose recording it is once more. Raises FileNotFoundError if that is gone."""
        ...

    def request(self, job_id: str) -> JobRequest:
        """Raises JobNotFound, or RecordBroken if the job is there and its record cannot be read."""
        ...

    def has(self, job_id: str) -> bool:
        """Whether the job is there, whatever became of it."""
        ...

    def ids(self) -> Iterator[str]:
        """All jobs, newest first."""
        ...

    def delete(self, job_id: str) -> None:
        """Raises JobNotFound."""
        ...

    def set_aside(self, job_id: str) -> None:
        """Moves a job whose record is damaged out of the way, as it is. Raises OSError if another process was first,
        or if on Windows a file of it is open."""
        ...

    # How a job ends

    def outcome(self, job_id: str) -> Outcome | None:
        """None for a job that has not ended or is gone; raises RecordBroken."""
        ...

    def is_over(self, job_id: str, within: float = 0.0) -> bool:
        """Whether the job has its outcome, or is gone. within: seconds for which an answer that was right then will
        do, if the store is far away."""
        ...

    def finish(self, job_id: str, outcome: Outcome) -> bool:
        """Writes the terminal state and returns True, or False if the job has one already or is gone."""
        ...

    def reopen(self, job_id: str, end: float | None = None) -> None:
        """Takes the terminal state back: the job waits again. end: when the job ended, in unix seconds, by the outcome
        that is meant; None for any. Raises JobNotFound for a job that has no such outcome or is gone, or if somebody
        else takes it back; TranscriptBusy."""
        ...

    def mark_answered(self, job_id: str) -> None:
        """A waiting client has had its answer."""
        ...

    def answered_at(self, job_id: str) -> float | None:
        """When a waiting client had its answer, in unix seconds."""
        ...

    def deliveries(self, job_id: str) -> bytes:
        """The lines of all delivery attempts; empty before the first."""
        ...

    def add_delivery(self, job_id: str, line: bytes) -> None:
        """Appends in one piece, whoever else does; raises JobNotFound for a job that is gone."""
        ...

    # What it comes to

    def transcript(self, job_id: str) -> Transcript:
        """As `request`; as people have made it since."""
        ...

    def save_transcript(self, job_id: str, transcript: Transcript) -> Transcript:
        """Keeps the machine's, unless an earlier run came so far: the first one stays. Returns the one that counts;
        raises JobNotFound for a job that is gone."""
        ...

    def waveform(self, job_id: str) -> Waveform | None:
        """None for a job that has none, or whose record of it cannot be read."""
        ...

    def save_waveform(self, job_id: str, waveform: Waveform) -> None: ...

    # Its runs

    def attempts(self, job_id: str) -> list[Attempt]:
        """All runs of the job so far, the first one first."""
        ...

    def begin_attempt(self, job_id: str) -> AttemptLog:
        """Of a new attempt; raises JobNotFound for a job that is gone."""
        ...

    def newest_attempt(self, job_id: str) -> int:
        """The number of the job's latest attempt, 0 for none."""
        ...

    def note_crash(self, job_id: str) -> None:
        """Notes that the worker of the latest attempt died of its own. Means nothing if the attempt has ended."""
        ...

    def drop_checkpoints(self, job_id: str) -> None:
        """Removes all that attempts left in an ended job, also what a killed one had half written."""
        ...

    def drop_left(self, job_id: str) -> None:
        """Removes what a run still wrote of a job that was deleted meanwhile."""
        ...

    def retry(self, job_id: str) -> Retry | None:
        """None for a job that was never put aside, or whose record of it cannot be read."""
        ...

    def put_aside(self, job_id: str, retry: Retry) -> None:
        """Raises JobNotFound for a job that is gone."""
        ...

    # Its recording

    def source_size(self, job_id: str) -> int | None:
        """In bytes; None for a recording that is deleted, or has not come yet."""
        ...

    def local_source(self, job_id: str) -> AbstractContextManager[Path]:
        """The recording. Raises FileNotFoundError if it is gone, at once or when it is opened."""
        ...

    def local_reference(self, job_id: str, number: int) -> AbstractContextManager[Path]:
        """The recording of a known speaker, as `local_source`. number: in the order of their names, from 0."""
        ...

    def fetched_source(self, job_id: str) -> PartialSource:
        """The recording of a job with a URL, while it comes."""
        ...

    def drop_source(self, job_id: str) -> None:
        """The recording, its copy for players, and those of known speakers."""
        ...

    def playable_size(self, job_id: str) -> int | None:
        """Of the copy for players, in bytes: None as long as nobody made one, 0 if the recording plays well itself."""
        ...

    def local_playable(self, job_id: str) -> AbstractContextManager[Path]:
        """That copy, as `local_source`."""
        ...

    def playable_target(self, job_id: str) -> Path:
        """Where a program may make that copy: under another name beside it, and renamed once it is whole."""
        ...

    def keep_playable(self, job_id: str) -> None:
        """Once there is something at that target."""
        ...

    def bound_playables(self, most: int) -> None:
        """Drops those copies that were made first, so that all together have so many bytes."""
        ...

    # Room

    def sweep_incoming(self, older_than: float) -> None:
        """Removes what uploads cut off by a crash left behind in what machines share, once untouched for so many
        seconds, or as soon as it is sure that nobody works on them."""
        ...

    is_shared: bool  # by several machines, over the network

    def trouble(self) -> str | None:
        """What is wrong with a shared store, without waiting for it; None if it answers."""
        ...

    def free_bytes(self) -> int:
        """For recordings on their way in."""
        ...
