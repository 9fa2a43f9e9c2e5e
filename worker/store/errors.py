"""What a store says if it cannot give what it is asked for."""

from __future__ import annotations

from worker.store.record_format import RecordUnreadable


class JobNotFound(Exception):
    """There is no job with this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job '{job_id}'.")


class RecordBroken(RecordUnreadable):
    """A job is there, and one of its records cannot be read."""

    def __init__(self, job_id: str, cause: RecordUnreadable) -> None:
        remedy = "Upgrade the server to read it." if cause.newer else "Send the recording again."
        super().__init__(f"The record of the job '{job_id}' cannot be read: {cause}. {remedy}", cause.newer)


class TranscriptBusy(Exception):
    """Others are changing it all the time."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Somebody else is changing the transcript of {job_id}. Send it again in a moment.")


class StoreUnfit(Exception):
    """The store cannot keep jobs: says why, and what to do."""


class StoreAway(StoreUnfit):
    """It cannot be reached now."""


class StoreUnavailable(OSError):
    """A shared store does not answer now, or refuses what it is asked; the message says how."""
