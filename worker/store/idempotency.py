"""Who was first with the same request: one small file for each key, locked while its request comes in.

claims/<hash>   which job the key stands for, and the fingerprint of the request that made it

A process that dies lets go of its locks, and what a file says counts only while its job is in the store: so a claim
needs no clock and ends with its job.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from worker.runtime.file_lock import try_lock
from worker.store.record_format import RecordFormat, RecordUnreadable

LOOK_AGAIN = 0.01  # seconds


class ClaimBusy(Exception):
    """Another request with the same key is on its way in."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a key stands for."""

    job_id: str
    fingerprint: str


CLAIM = RecordFormat("the claim of an idempotency key", TypeAdapter(Claimed), is_numbered=False)


class Claim:
    """A key in the hands of one request, until `release`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def read(self) -> Claimed | None:
        return _read(self._path)

    def write(self, claimed: Claimed) -> None:
        """Outlasts a loss of power once the job it names does, which is committed after it."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, CLAIM.dump(claimed))
        os.fsync(self._descriptor)

    def clear(self) -> None:
        os.ftruncate(self._descriptor, 0)

    def release(self) -> None:
        """Lets go of the key, and forgets it if nothing was written."""
        try:
            if not os.fstat(self._descriptor).st_size:
                with contextlib.suppress(PermissionError):  # Windows removes no open file; the next sweep does
                    self._path.unlink(missing_ok=True)
        finally:
            os.close(self._descriptor)


class Claims:
    """All keys of one data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._unswept: list[str] = []
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self, *key: str) -> Claimed | None:
        """What the key stands for, whoever may hold it at the moment. Raises RecordUnreadable for a format that only
        newer versions know."""
        return _read(self._path(key))

    def hold(self, *key: str, patience: float = 0.0) -> Claim:
        """Raises ClaimBusy if another request has the key for more than `patience` seconds."""
        return self._hold(self._path(key), time.monotonic() + patience)

    def sweep(self, has_job: Callable[[str], bool], seconds: float = float("inf")) -> None:
        """Removes the claims whose job is gone. If that takes longer than `seconds`, the next call does the rest."""
        deadline = time.monotonic() + seconds
        self._unswept = self._unswept or os.listdir(self._directory)
        while self._unswept and time.monotonic() < deadline:
            path = self._directory / self._unswept.pop()
            with contextlib.suppress(ClaimBusy, RecordUnreadable):  # the latter is a newer version's, and kept
                if not _counts(_read(path), has_job):
                    self._remove(self._hold(path, deadline=0.0), has_job)

    def _remove(self, claim: Claim, has_job: Callable[[str], bool]) -> None:
        if not _counts(claim.read(), has_job):  # or it was made anew since
            claim.clear()
        claim.release()

    def _hold(self, path: Path, deadline: float) -> Claim:
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            if try_lock(descriptor):
                if _is_there(path, descriptor):
                    return Claim(path, descriptor)
                os.close(descriptor)  # it was removed between the two calls
                continue
            os.close(descriptor)
            if time.monotonic() >= deadline:
                raise ClaimBusy
            time.sleep(LOOK_AGAIN)

    def _path(self, key: tuple[str, ...]) -> Path:
        return self._directory / hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _counts(claimed: Claimed | None, has_job: Callable[[str], bool]) -> bool:
    return claimed is not None and has_job(claimed.job_id)


def _read(path: Path) -> Claimed | None:
    try:
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        return None


def _parsed(data: bytes) -> Claimed | None:
    try:
        return CLAIM.load(data)
    except RecordUnreadable as error:
        if error.newer:
            raise
        return None  # empty, or torn by a loss of power


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
