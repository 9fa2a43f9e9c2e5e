"""The records of jobs as files: read as they are, replaced in one step."""

from __future__ import annotations

import os
import time
from pathlib import Path

from worker.store.files import sync_directory, write_synced
from worker.store.record_format import Record, RecordFormat, RecordUnreadable
from worker.store.records import is_job_id

TRIES = 3  # of a file written aside, which maintenance may take for one that a killed process left


class JobNotFound(Exception):
    """There is no job with this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job '{job_id}'.")


class RecordBroken(RecordUnreadable):
    """A job is there, and one of its records cannot be read."""

    def __init__(self, job_id: str, cause: RecordUnreadable) -> None:
        remedy = "Upgrade the server to read it." if cause.newer else "Send the recording again."
        super().__init__(f"The record of the job '{job_id}' cannot be read: {cause}. {remedy}", cause.newer)


class RecordFiles:
    """jobs: the directory with one for each job."""

    def __init__(self, jobs: Path) -> None:
        self._jobs = jobs

    def directory(self, job_id: str) -> Path:
        """Whether or not it is there. Raises JobNotFound for what cannot be the id of a job."""
        if not is_job_id(job_id):
            raise JobNotFound(job_id)
        return self._jobs / job_id

    def read(self, job_id: str, form: RecordFormat[Record]) -> Record:
        """Raises JobNotFound if there is no such record, or RecordBroken."""
        try:
            content = (self.directory(job_id) / form.name).read_bytes()
        except FileNotFoundError:
            raise JobNotFound(job_id) from None
        try:
            return form.load(content)
        except RecordUnreadable as error:
            raise RecordBroken(job_id, error) from error

    def replace(self, job_id: str, form: RecordFormat[Record], record: Record) -> None:
        """Raises JobNotFound for a job that is gone, or OSError."""
        directory = self.directory(job_id)
        for left in reversed(range(TRIES)):
            aside = directory / f"{form.name.removesuffix('.json')}.{os.getpid()}.{time.monotonic_ns()}.tmp"
            try:
                write_synced(aside, form.dump(record))
                os.replace(aside, directory / form.name)
                sync_directory(directory)
                return
            except FileNotFoundError:
                if not left or not directory.is_dir():
                    raise JobNotFound(job_id) from None
