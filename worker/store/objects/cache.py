"""Recordings of an object store as files of this machine: brought once, checked by their sum, and bounded.

files/<job>.<name>     whole and right; the one that was used last goes last
files/*.part           on its way
use/<random>           another name of a file for as long as somebody reads it, whatever becomes of the first
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from worker.store.files import digest_of, share
from worker.store.objects.bucket import Bucket

PART = ".part"
MOST = 20 * 1024**3  # bytes
SHARE = 1 / 64  # of the room comes in, at least, until all files are looked at for what has to go
LONGEST_USE = 24 * 3600.0  # seconds after which a name in use is one that a killed process left

log = logging.getLogger(__name__)


class SumWrong(OSError):
    """A recording came otherwise than it was sent."""


class RecordingCache:
    """Processes of one machine may share it. most: bytes of files that nobody reads at the moment, and for a while a
    few hundredths more; on a small disk fewer, so that it leaves as much free as it takes."""

    def __init__(self, directory: Path, bucket: Bucket, most: int = MOST) -> None:
        self._files, self._use = directory / "files", directory / "use"
        self._bucket = bucket
        self._most = most
        self._unseen = 0  # bytes that came in since the files were looked at
        self._until_look = 0.0  # bytes that may
        self._lock = threading.Lock()
        for each in (self._files, self._use):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._drop_left()

    @contextmanager
    def open(self, job_id: str, name: str) -> Iterator[Path]:
        """Raises FileNotFoundError if neither the store nor the cache has it."""
        path = self._use / uuid4().hex
        try:
            self._bring(job_id, name, path)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def take_in(self, job_id: str, name: str, file: Path) -> None:
        """Moves a file in that the store has by now; if that cannot be, it is fetched when it is wanted."""
        with contextlib.suppress(OSError):
            self._came(_replace_synced(file, self._path(job_id, name)))

    def drop(self, job_id: str, names: Iterable[str]) -> None:
        """Those that are there; what is on its way goes with `keep_only`."""
        for name in names:
            with contextlib.suppress(OSError):  # on Windows somebody may read it
                self._path(job_id, name).unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """Those that are there now."""
        return list(self._files.iterdir())

    def keep_only(self, there: Collection[str], of: Iterable[Path]) -> None:
        """Drops what the store has no more, wherever that was deleted, and what others now need the room of.
        there: keys below `jobs/`. of: files that were there before these keys were listed."""
        for path in of:
            job_id, _, name = path.name.partition(".")
            if f"{job_id}/{name}" not in there and path.suffix != PART:
                with contextlib.suppress(OSError):
                    path.unlink()
        self._make_room()

    def _bring(self, job_id: str, name: str, target: Path) -> None:
        path = self._path(job_id, name)
        for _ in range(3):
            try:
                share(path, target)
            except FileNotFoundError:
                self._fetch(f"jobs/{job_id}/{name}", path)
            else:
                with contextlib.suppress(OSError):
                    os.utime(path)
                return
        raise OSError(f"The cache is too small for {job_id}: its recording goes before it is read")

    def _fetch(self, key: str, path: Path) -> None:
        part = path.with_name(f"{path.name}.{uuid4().hex}{PART}")
        try:
            wanted = self._bucket.download(key, part)
            if wanted and digest_of(part) != wanted:
                raise SumWrong(f"{key} did not come as it was sent")
            size = _replace_synced(part, path)
        finally:
            part.unlink(missing_ok=True)
        self._came(size, path)

    def _came(self, size: int, kept: Path | None = None) -> None:
        with self._lock:
            self._unseen += size
            if self._unseen < self._until_look:
                return
        self._make_room(kept)

    def _make_room(self, kept: Path | None = None) -> None:
        found = []
        for path in self._files.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stat(), path))
        total = sum(status.st_size for status, _ in found)
        most = min(self._most, (total + shutil.disk_usage(self._files).free) // 2)
        for status, path in sorted(found, key=lambda each: each[0].st_mtime):
            if total <= most:
                break
            if path != kept and path.suffix != PART:  # nobody could go on with a part
                with contextlib.suppress(OSError):
                    path.unlink()
                total -= status.st_size
        with self._lock:  # other processes fill the same room
            self._unseen, self._until_look = 0, max((most - total) / 4, most * SHARE)

    def _path(self, job_id: str, name: str) -> Path:
        return self._files / f"{job_id}.{name}"

    def _drop_left(self) -> None:
        for path in (*self._use.iterdir(), *self._files.glob(f"*{PART}")):
            with contextlib.suppress(OSError):
                if path.stat().st_ctime < time.time() - LONGEST_USE:
                    path.unlink()


def _replace_synced(file: Path, path: Path) -> int:
    """What has its name is taken for whole, also after a loss of power. Returns its size in bytes."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        size = os.fstat(descriptor).st_size
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(file, path)
    return size
