"""Transcripts with what people made of them: corrected segments, a title, speakers' names.

transcript.json  the machine's, which is never changed once it is there
edits.json       what was changed, with a revision, so that two who edit at once hear of each other
speakers.json    names that were given to its speakers
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from engines.transcript import Transcript
from worker.runtime.file_lock import try_lock
from worker.store.edits.edits import EDITS, Edits, SegmentChange, changed, check_size
from worker.store.record_files import JobNotFound, RecordBroken, RecordFiles
from worker.store.records import NAMES, TRANSCRIPT, SpeakerNames

LOCK = "edits.lock"
PATIENCE = 5.0  # seconds for whoever else changes the same job, which takes milliseconds
PAUSE = 0.01  # seconds between two looks


class TranscriptChanged(Exception):
    """Somebody else has changed it meanwhile. revision: the one there is now."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"The transcript was changed meanwhile: its revision is {revision} now.")
        self.revision = revision


class TranscriptBusy(Exception):
    """Others are changing it all the time."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Somebody else is changing the transcript of {job_id}. Send it again in a moment.")


class Transcripts:
    """All raise JobNotFound for a job that is gone, and RecordBroken."""

    def __init__(self, files: RecordFiles, changed: Callable[[str], None] = lambda job_id: None) -> None:
        """changed: called with the id of each job that has another text or title."""
        self._files = files
        self._changed = changed

    def read(self, job_id: str) -> Transcript:
        """As people have made it."""
        return self.edits(job_id).applied(self.original(job_id)).named(self.names(job_id))

    def original(self, job_id: str) -> Transcript:
        """The machine's."""
        return self._files.read(job_id, TRANSCRIPT)

    def save(self, job_id: str, transcript: Transcript) -> None:
        self._files.replace(job_id, TRANSCRIPT, transcript)

    def edits(self, job_id: str) -> Edits:
        """None were made of a job that is gone."""
        try:
            return self._files.read(job_id, EDITS)
        except JobNotFound:
            return Edits()

    def change(self, job_id: str, revision: int | None, changes: Sequence[SegmentChange]) -> tuple[Edits, Transcript]:
        """What the edits are now, and the transcript with them. revision: which they were made on, None for whichever
        there is; raises TranscriptChanged if there is another, KeyError for a segment that is not there, and
        EditsTooLarge."""
        original = self.original(job_id)
        with self._alone(job_id):
            edits = self.edits(job_id)
            if revision not in (None, edits.revision):
                raise TranscriptChanged(edits.revision)
            check_size(edits, changes)
            edits = changed(edits, original, changes)
            self._files.replace(job_id, EDITS, edits)
        self._changed(job_id)
        return edits, edits.applied(original).named(self.names(job_id))

    def entitle(self, job_id: str, title: str | None) -> None:
        """None takes the title back."""
        with self._alone(job_id):
            self._files.replace(job_id, EDITS, replace(self.edits(job_id), title=title))
        self._changed(job_id)

    def names(self, job_id: str) -> Mapping[str, str]:
        """Given to speakers by label; none if their record cannot be read."""
        try:
            return self._files.read(job_id, NAMES).names
        except (JobNotFound, RecordBroken):
            return {}

    def name_speakers(self, job_id: str, names: Mapping[str, str | None]) -> None:
        """names: by label; None takes one back."""
        with self._alone(job_id):
            known = {label: name for label, name in {**self.names(job_id), **names}.items() if name}
            self._files.replace(job_id, NAMES, SpeakerNames(known))

    @contextmanager
    def _alone(self, job_id: str) -> Iterator[None]:
        """Nobody else changes the job, in whichever process. Raises TranscriptBusy."""
        try:
            descriptor = os.open(self._files.directory(job_id) / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
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
