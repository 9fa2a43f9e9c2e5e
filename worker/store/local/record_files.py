"""The records of jobs as files: read as they are, replaced in one step."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.runtime.file_lock import try_lock
from worker.store.errors import JobNotFound, RecordBroken, TranscriptBusy
from worker.store.files import create, sync_directory, write_synced
from worker.store.record_format import Record, RecordFormat, RecordUnreadable
from worker.store.records import is_job_id

LOCK = "edits.lock"
PATIENCE = 5.0  # seconds for whoever else changes the same job, which takes milliseconds
PAUSE = 0.01  # seconds between two looks
TRIES = 3  # of a file written aside, which maintenance may take for one that a killed process left


class RecordFiles:
    """See Records. jobs: the directory with one for each job."""

    def __init__(self, jobs: Path) -> None:
        self._jobs = jobs

    def directory(self, job_id: str) -> Path:
        """Whether or not it is there. Raises JobNotFound for what cannot be the id of a job."""
        if not is_job_id(job_id):
            raise JobNotFound(job_id)
        return self._jobs / job_id

    def read(self, job_id: str, form: RecordFormat[Record]) -> Record:
        try:
            content = (self.directory(job_id) / form.name).read_bytes()
        except FileNotFoundError:
            raise JobNotFound(job_id) from None
        try:
            return form.load(content)
        except RecordUnreadable as error:
            raise RecordBroken(job_id, error) from error

    def replace(self, job_id: str, form: RecordFormat[Record], record: Record) -> None:
        self._write(job_id, form, record, os.replace)

    def create(self, job_id: str, form: RecordFormat[Record], record: Record) -> bool:
        try:
            self._write(job_id, form, record, create)
        except FileExistsError:
            return False
        return True

    def _write(
        self, job_id: str, form: RecordFormat[Record], record: Record, name: Callable[[Path, Path], None]
    ) -> None:
        """name: gives a whole file its name."""
        directory = self.directory(job_id)
        for left in reversed(range(TRIES)):
            aside = directory / f"{form.name.removesuffix('.json')}.{os.getpid()}.{time.monotonic_ns()}.tmp"
            try:
                write_synced(aside, form.dump(record))
                name(aside, directory / form.name)
                sync_directory(directory)
                return
            except FileNotFoundError:
                if not left or not directory.is_dir():
                    raise JobNotFound(job_id) from None
            finally:  # what a full disk took of it, or its second name
                aside.unlink(missing_ok=True)

    def update(
        self, job_id: str, form: RecordFormat[Record], change: Callable[[Record | None], Record], *, mends: bool = False
    ) -> Record:
        with self.alone(job_id):
            record = change(self._found(job_id, form, mends))
            self.replace(job_id, form, record)
        return record

    def _found(self, job_id: str, form: RecordFormat[Record], mends: bool) -> Record | None:
        try:
            return self.read(job_id, form)
        except JobNotFound:
            return None
        except RecordBroken:
            if mends:
                return None
            raise

    @contextmanager
    def alone(self, job_id: str) -> Iterator[None]:
        """Nobody else changes the job, in whichever process. Raises TranscriptBusy."""
        try:
            descriptor = os.open(self.directory(job_id) / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            raise JobNotFound(job_id) from None
        try:
            deadline = time.monotonic() + PATIENCE
            while not _is_locked(descriptor):
                if time.monotonic() > deadline:
                    raise TranscriptBusy(job_id)
                time.sleep(PAUSE)
            yield
        finally:
            os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    with contextlib.suppress(OSError):
        return try_lock(descriptor)
    return True  # on a file system that knows no locks
