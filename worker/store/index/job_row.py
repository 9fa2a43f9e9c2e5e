"""What the index knows of a job, read from its directory: a few fields of two records, and when it was changed."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from worker.store.records import ENDED, JobRequest, is_job_id

IndexState = Literal["open", "ending", "unreadable", "finished", "failed", "canceled"]
OPEN: IndexState = "open"  # queued or started: Redis knows which
ENDING: IndexState = "ending"  # there may be an outcome this very moment
UNREADABLE: IndexState = "unreadable"
GRAIN = 2_000_000_000  # nanoseconds; no file system's clock is coarser

UNKNOWN = 0  # the stamp of a row that is to be read again
ABOVE_ALL = "job_~"  # sorts behind every id


@dataclass(frozen=True, slots=True)
class JobRow:
    """owner: None if the record does not tell. owes: whether a webhook may be owed, now or at the job's end. stamp:
    when the directory was changed, in nanoseconds; UNKNOWN if that is so short ago that another change would not show.
    """

    id: str
    owner: str | None
    state: IndexState
    owes: bool
    stamp: int

    @property
    def is_ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Ended:
    """What a list of a shared store says of a job that has ended. written_at: when its outcome was written, and
    answered_at: when a waiting client had its answer, in unix seconds by the store's clock. has_left: whether its runs
    have left something that is to go."""

    written_at: float
    answered_at: float | None = None
    has_recording: bool = False
    has_left: bool = False


class JobRows(Protocol):
    """What the store itself says of its jobs, one by one."""

    def ids(self) -> list[str]:
        """All that there are, newest first. Raises OSError."""
        ...

    def row(self, job_id: str) -> JobRow | None:
        """None for a job that is gone."""
        ...


@dataclass(frozen=True, slots=True)
class LocalRows:
    """jobs: the directory with one for each job."""

    jobs: Path

    def ids(self) -> list[str]:
        return job_ids(self.jobs)

    def row(self, job_id: str) -> JobRow | None:
        return read_row(self.jobs / job_id)


def row_of(request: JobRequest) -> JobRow:
    """Of a job that is about to come to be."""
    return JobRow(request.id, request.owner, OPEN, request.webhook is not None, UNKNOWN)


def read_row(directory: Path) -> JobRow | None:
    """None for a job that is gone."""
    stamp = stamp_of(directory)  # before what is read: what changes meanwhile is read again
    if stamp is None:
        return None
    try:
        request = _read(directory / "job.json")
        owner, webhook, state = request["owner"], request.get("webhook"), _state(directory)
        if not isinstance(owner, str):
            raise TypeError(owner)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return JobRow(directory.name, None, UNREADABLE, False, stamp)
    return JobRow(directory.name, owner, state, webhook is not None, stamp)


def stamp_of(directory: Path) -> int | None:
    """When something was last created, renamed or removed in it; None if it is gone."""
    try:
        changed = os.stat(directory).st_mtime_ns
    except OSError:
        return None
    return changed if changed + GRAIN < time.time_ns() else UNKNOWN


def job_ids(jobs: Path) -> list[str]:
    """All that there are, newest first."""
    return sorted((name for name in os.listdir(jobs) if is_job_id(name)), reverse=True)


def _state(directory: Path) -> IndexState:
    try:
        state = _read(directory / "outcome.json")["state"]
    except FileNotFoundError:
        return OPEN
    if state not in ENDED:
        raise ValueError(state)
    return state  # type: ignore[no-any-return]  # one of ENDED


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())
