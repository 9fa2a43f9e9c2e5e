"""What came of one call to a receiver."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attempt brought. status: None if there was no answer; error says why.

    retry_after: seconds the receiver asks us to wait. body: the beginning of its answer.
    """

    status: int | None
    error: str | None = None
    retry_after: float | None = None
    body: bytes = b""

    @property
    def is_busy(self) -> bool:
        return self.status == 409
