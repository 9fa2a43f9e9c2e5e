"""Uploads as directories that move into `jobs/` as a whole."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import time
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from worker.store.files import is_abandoned, private, share, sync_directory, take, write_synced
from worker.store.incoming import MAX_REFERENCES, reference_name
from worker.store.index.job_index import JobIndex
from worker.store.records import JOB, JobRequest, new_job_id

JUST_BEGUN = 2.0  # seconds; an upload takes its file within a millisecond of making it

log = logging.getLogger(__name__)


class LocalUpload:
    """Grows in `incoming/<id>/` and moves into `jobs/` as a whole. recording: of a job that is there, to begin with:
    the two share the file, which nobody changes. Raises FileNotFoundError if it is gone."""

    def __init__(self, incoming: Path, jobs: Path, index: JobIndex, recording: Path | None = None) -> None:
        self.id = new_job_id()
        self.size = 0
        self._references = 0
        self._directory = incoming / self.id
        self._target = jobs / self.id
        self._index = index
        self._hash = hashlib.sha256()
        self._directory.mkdir(mode=0o700)
        try:
            self._file = self._begun(recording)
        except BaseException:
            self._remove()
            raise
        take(self._file)

    def _begun(self, recording: Path | None) -> BinaryIO:
        source = self._directory / "source"
        if recording is None:
            return open(source, "xb", opener=private)
        share(recording, source)
        self.size = source.stat().st_size
        self._hash.update(f"the recording of {recording.parent.name}".encode())  # its bytes were read once
        return open(source, "r+b")

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def refer(self, url: str) -> None:
        self._hash.update(f"the recording at {url}".encode())

    def add_reference(self, content: bytes) -> None:
        assert self._references < MAX_REFERENCES
        write_synced(self._directory / reference_name(self._references), content)
        self._hash.update(hashlib.sha256(content).digest())
        self._references += 1

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def read(self) -> BinaryIO:
        self._file.flush()
        return open(self._directory / "source", "rb")

    def commit(self, request: JobRequest) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        if os.name == "nt":  # which moves nothing that is open; elsewhere the open file keeps sweepers away
            self._file.close()
        write_synced(self._directory / "job.json", JOB.dump(request))
        if request.url and not self.size:
            (self._directory / "source").unlink()  # as it is to be fetched
        sync_directory(self._directory)
        told = self._index.comes(request)
        os.rename(self._directory, self._target)
        self._index.came(request, told)
        self._file.close()
        sync_directory(self._target.parent)

    def discard(self) -> None:
        try:
            self._file.close()
        except OSError as error:  # what it still held does not fit on a full disk, and is not wanted
            log.warning("An upload was dropped unwritten: %s", error)
        self._remove()

    def _remove(self) -> None:
        """By name: walking a directory takes a file descriptor, and this may be called because there is none left."""
        with contextlib.suppress(OSError):
            for name in ("source", "job.json", *map(reference_name, range(MAX_REFERENCES))):
                (self._directory / name).unlink(missing_ok=True)
            self._directory.rmdir()


def sweep(incoming: Path, older_than: float, just_begun: float) -> None:
    """Removes what uploads cut off by a crash left behind: if the system says that nobody has the file open any more,
    else once untouched for `older_than` seconds; never before it is `just_begun` seconds old."""
    found = list(incoming.iterdir())
    now = _now(incoming) if found else 0.0
    for directory in found:
        try:
            # Its own time too: a recording that is used again is as old as the job that had it first.
            newest = max(path.stat().st_mtime for path in (directory, *directory.iterdir()))
        except OSError:  # it was committed or discarded this moment
            continue
        age = now - newest
        if age > older_than or (age > just_begun and _is_abandoned(directory)):
            shutil.rmtree(directory, ignore_errors=True)


def _now(incoming: Path) -> float:
    """Unix seconds by the clock that gives files their times, which may be another machine's."""
    probe = incoming / f"probe-{uuid4().hex}"
    try:
        probe.touch(mode=0o600)
        return probe.stat().st_mtime
    except OSError:  # of a full disk, which is to be swept all the same
        return time.time()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def _is_abandoned(upload: Path) -> bool:
    """Whether nobody works on it: it has no recording, or one that nobody has open."""
    return not (upload / "source").exists() or is_abandoned(upload / "source")
