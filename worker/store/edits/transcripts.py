"""Transcripts with what people made of them: corrected segments, a title, speakers' names.

transcript.json  the machine's, which is never changed once it is there
edits.json       what was changed, with a revision, so that two who edit at once hear of each other
speakers.json    names that were given to its speakers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from engines.transcript import Transcript
from worker.store.edits.edits import EDITS, Edits, SegmentChange, changed, check_size
from worker.store.errors import JobNotFound, RecordBroken
from worker.store.record_format import Record, RecordFormat
from worker.store.records import NAMES, TRANSCRIPT, SpeakerNames


class Records(Protocol):
    """The records of jobs, wherever they are kept."""

    def read(self, job_id: str, form: RecordFormat[Record]) -> Record:
        """Raises JobNotFound if there is no such record, or RecordBroken."""
        ...

    def replace(self, job_id: str, form: RecordFormat[Record], record: Record) -> None:
        """In one step. Raises JobNotFound for a job that is gone, or OSError."""
        ...

    def create(self, job_id: str, form: RecordFormat[Record], record: Record) -> bool:
        """In one step, or False if there is one. Raises as `replace` does."""
        ...

    def update(
        self, job_id: str, form: RecordFormat[Record], change: Callable[[Record | None], Record], *, mends: bool = False
    ) -> Record:
        """Makes the record of what there is, which is None for none, and returns it; nobody else changes it meanwhile,
        in whichever process. `change` may be called again, and what it raises is passed on. mends: whether a record
        that cannot be read counts as none. Raises as `read` does, or TranscriptBusy."""
        ...


class TranscriptChanged(Exception):
    """Somebody else has changed it meanwhile. revision: the one there is now."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"The transcript was changed meanwhile: its revision is {revision} now.")
        self.revision = revision


class Transcripts:
    """All raise JobNotFound for a job that is gone, and RecordBroken."""

    def __init__(self, records: Records, changed: Callable[[str], None] = lambda job_id: None) -> None:
        """changed: called with the id of each job that has another text or title."""
        self._records = records
        self._changed = changed

    def read(self, job_id: str) -> Transcript:
        """As people have made it."""
        return self.edits(job_id).applied(self.original(job_id)).named(self.names(job_id))

    def original(self, job_id: str) -> Transcript:
        """The machine's."""
        return self._records.read(job_id, TRANSCRIPT)

    def save(self, job_id: str, transcript: Transcript) -> None:
        """Whatever there was."""
        self._records.replace(job_id, TRANSCRIPT, transcript)

    def save_first(self, job_id: str, transcript: Transcript) -> Transcript:
        """The first one stays, whoever comes late: it may have been told and edited. Returns it."""
        if self._records.create(job_id, TRANSCRIPT, transcript):
            return transcript
        try:
            return self.original(job_id)
        except RecordBroken:
            self.save(job_id, transcript)
            return transcript

    def edits(self, job_id: str) -> Edits:
        """None were made of a job that is gone."""
        try:
            return self._records.read(job_id, EDITS)
        except JobNotFound:
            return Edits()

    def change(self, job_id: str, revision: int | None, changes: Sequence[SegmentChange]) -> tuple[Edits, Transcript]:
        """What the edits are now, and the transcript with them. revision: which they were made on, None for whichever
        there is; raises TranscriptChanged if there is another, KeyError for a segment that is not there, and
        EditsTooLarge."""
        original = self.original(job_id)

        def change(found: Edits | None) -> Edits:
            edits = found or Edits()
            if revision not in (None, edits.revision):
                raise TranscriptChanged(edits.revision)
            check_size(edits, changes)
            return changed(edits, original, changes)

        edits = self._records.update(job_id, EDITS, change)
        self._changed(job_id)
        return edits, edits.applied(original).named(self.names(job_id))

    def entitle(self, job_id: str, title: str | None) -> None:
        """None takes the title back."""
        self._records.update(job_id, EDITS, lambda found: replace(found or Edits(), title=title))
        self._changed(job_id)

    def names(self, job_id: str) -> Mapping[str, str]:
        """Given to speakers by label; none if their record cannot be read."""
        try:
            return self._records.read(job_id, NAMES).names
        except (JobNotFound, RecordBroken):
            return {}

    def name_speakers(self, job_id: str, names: Mapping[str, str | None]) -> None:
        """names: by label; None takes one back."""

        def change(found: SpeakerNames | None) -> SpeakerNames:
            known = {**(found.names if found else {}), **names}
            return SpeakerNames({label: name for label, name in known.items() if name})

        self._records.update(job_id, NAMES, change, mends=True)
