"""What a store has, by names that are the same wherever it is: those of files in a data directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from worker.store.edits.edits import EDITS
from worker.store.records import JOB, NAMES, OUTCOME, RETRY

RECORDINGS = ("source", "playable")  # and references: those of them that are long are never held in memory
CHANGING = (EDITS.name, NAMES.name, RETRY.name, OUTCOME.name)  # of the same size they may still say something else
COMMIT = JOB.name  # without it there is no job


@dataclass(frozen=True, slots=True)
class Part:
    """size: in bytes. changed_at: unix seconds, by the clock of its store."""

    size: int
    changed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Recording:
    """digest: SHA-256 as the store has it, or of what is there."""

    path: Path
    digest: str


@dataclass(slots=True)
class Parts:
    """Of one job. records: by name; recordings: by name."""

    records: dict[str, bytes] = field(default_factory=dict)
    recordings: dict[str, Recording] = field(default_factory=dict)


class DamagedCopy(Exception):
    """What was read is not what was written."""


class Shelf(Protocol):
    """One store."""

    place: str  # for people
    id: str  # see worker.store.store_id

    def ids(self) -> Iterator[str]:
        """Of all jobs, those that were submitted first coming first."""
        ...

    def parts(self, job_id: str) -> dict[str, Part]:
        """What there is of the job; nothing if there is no such job."""
        ...

    def record(self, job_id: str, name: str) -> bytes:
        """Raises FileNotFoundError."""
        ...

    def recording(self, job_id: str, name: str) -> AbstractContextManager[Recording]:
        """As a file of this machine. Raises FileNotFoundError, or DamagedCopy."""
        ...

    def write(self, job_id: str, parts: Parts) -> None:
        """The job as it is then, whatever there was of it. Raises DamagedCopy if a recording did not come as it was."""
        ...

    def claims(self) -> Mapping[str, bytes]:
        """What each idempotency key stands for, by its hash."""
        ...

    def write_claim(self, name: str, content: bytes) -> None: ...


def is_recording(name: str) -> bool:
    return name in RECORDINGS or name.startswith("reference.")
