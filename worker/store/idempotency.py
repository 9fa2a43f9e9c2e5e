"""Who was first with the same request: what a key stands for, and who holds it while its request comes in.

What a claim says counts only while its job is in the store, so it ends with its job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from worker.store.record_format import RecordFormat, RecordUnreadable


class ClaimBusy(Exception):
    """Another request with the same key is on its way in, or has come before one whose process was silent for long."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a key stands for."""

    job_id: str
    fingerprint: str


CLAIM = RecordFormat("the claim of an idempotency key", Claimed, is_numbered=False)


class Claim(Protocol):
    """A key in the hands of one request, until `release`; or until its process dies."""

    def read(self) -> Claimed | None: ...

    def write(self, claimed: Claimed) -> None:
        """Outlasts a loss of power once the job it names does, which is committed after it. Raises ClaimBusy if the key
        is another's by now."""
        ...

    def clear(self) -> None: ...

    def release(self) -> None:
        """Lets go of the key, and forgets it if nothing was written."""
        ...


class Claims(Protocol):
    """All keys of one store."""

    def read(self, *key: str) -> Claimed | None:
        """What the key stands for, whoever may hold it at the moment. Raises RecordUnreadable for a format that only
        newer versions know."""
        ...

    def hold(self, *key: str, patience: float = 0.0) -> Claim:
        """Raises ClaimBusy if another request has the key for more than `patience` seconds."""
        ...

    def sweep(self, has_job: Callable[[str], bool], seconds: float = float("inf")) -> None:
        """Removes the claims whose job is gone. If that takes longer than `seconds`, the next call does the rest."""
        ...


def parsed(content: bytes) -> Claimed | None:
    """None for what is empty, or torn by a loss of power. Raises RecordUnreadable as `Claims.read` does."""
    try:
        return CLAIM.load(content)
    except RecordUnreadable as error:
        if error.newer:
            raise
        return None


def counts(claimed: Claimed | None, has_job: Callable[[str], bool]) -> bool:
    return claimed is not None and has_job(claimed.job_id)
