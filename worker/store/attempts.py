"""The runs of one job, each with lines of its own that nobody else writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one run of a job has written down. has_ended: it left in good order; else its worker died, or goes on.
    is_noted: somebody saw that its worker died of its own; a machine that goes down leaves no witness."""

    number: int
    has_ended: bool
    content: bytes
    is_noted: bool = False


class AttemptLog(Protocol):
    """Where one run writes. Of what was appended shortly before a crash a few seconds may be lost; what is there is
    there in order, and its last line may be torn."""

    @property
    def number(self) -> int:
        """From 1; of two runs the one with the higher number counts."""
        ...

    def append(self, lines: bytes) -> None:
        """Whole lines with their ends; after `close` and `end` nothing happens. From one thread at a time. Raises
        OSError."""
        ...

    def close(self) -> None:
        """Writes nothing from now on, as if the worker had died. May be called twice. Raises OSError."""
        ...

    def end(self) -> None:
        """As `close`, and notes that the run left in good order."""
        ...
