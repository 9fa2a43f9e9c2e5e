"""Claims as one small file for each key, locked while its request comes in.

claims/<hash>   which job the key stands for, and the fingerprint of the request that made it

A process that dies lets go of its locks: so a claim needs no clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from worker.runtime.file_lock import try_lock
from worker.store.files import write_all
from worker.store.idempotency import CLAIM, ClaimBusy, Claimed, counts, parsed
from worker.store.record_format import RecordUnreadable

LOOK_AGAIN = 0.01  # seconds


class LocalClaim:
    """See Claim."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def read(self) -> Claimed | None:
        return _read(self._path)

    def write(self, claimed: Claimed) -> None:
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        write_all(self._descriptor, CLAIM.dump(claimed))
        os.fsync(self._descriptor)

    def clear(self) -> None:
        os.ftruncate(self._descriptor, 0)

    def release(self) -> None:
        try:
            if not os.fstat(self._descriptor).st_size:
                with contextlib.suppress(PermissionError):  # Windows removes no open file; the next sweep does
                    self._path.unlink(missing_ok=True)
        finally:
            os.close(self._descriptor)


class LocalClaims:
    """See Claims; all keys of one data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._unswept: list[str] = []
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self, *key: str) -> Claimed | None:
        return _read(self._path(key))

    def hold(self, *key: str, patience: float = 0.0) -> LocalClaim:
        return self._hold(self._path(key), time.monotonic() + patience)

    def sweep(self, has_job: Callable[[str], bool], seconds: float = float("inf")) -> None:
        deadline = time.monotonic() + seconds
        self._unswept = self._unswept or os.listdir(self._directory)
        while self._unswept and time.monotonic() < deadline:
            path = self._directory / self._unswept.pop()
            with contextlib.suppress(ClaimBusy, RecordUnreadable):  # the latter is a newer version's, and kept
                if not counts(_read(path), has_job):
                    self._remove(self._hold(path, deadline=0.0), has_job)

    def _remove(self, claim: LocalClaim, has_job: Callable[[str], bool]) -> None:
        if not counts(claim.read(), has_job):  # or it was made anew since
            claim.clear()
        claim.release()

    def _hold(self, path: Path, deadline: float) -> LocalClaim:
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            try:
                is_locked = try_lock(descriptor)
                if is_locked and _is_there(path, descriptor):
                    return LocalClaim(path, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            if is_locked:  # it was removed between the two calls
                continue
            if time.monotonic() >= deadline:
                raise ClaimBusy
            time.sleep(LOOK_AGAIN)

    def _path(self, key: tuple[str, ...]) -> Path:
        return self._directory / hashlib.sha256(json.dumps(key).encode()).hexdigest()


def _read(path: Path) -> Claimed | None:
    try:
        return parsed(path.read_bytes())
    except FileNotFoundError:
        return None


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
