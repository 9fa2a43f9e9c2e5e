"""What people call a job and its speakers: a small JSON object, and what may stand in it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from api.http.errors import ApiError
from api.intake.changes.json_body import read_object
from api.intake.speakers.names import MAX_NAME, check_name
from worker.store.job_store import JobNotFound, JobStore
from worker.store.records import JobRequest

MAX_TITLE = 500  # characters
Names = dict[str, str | None]

_NAME = {"type": ["string", "null"], "maxLength": MAX_NAME}
_SPEAKERS = {
    "type": "object",
    "description": "The name of each speaker, by the `id` the job lists them with; null takes a name back",
    "additionalProperties": _NAME,
}
_TITLE = {
    "type": ["string", "null"],
    "maxLength": MAX_TITLE,
    "description": "What the job is called in place of its file's name; null takes it back",
}
JOB_CHANGES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "minProperties": 1,
                    "properties": {"title": _TITLE, "speakers": _SPEAKERS},
                }
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class JobChanges:
    """has_title: whether the title is changed; None takes it back. names: of speakers by label, none if empty."""

    names: Names
    title: str | None = None
    has_title: bool = False


async def read_job_changes(request: Request) -> JobChanges:
    """Raises ApiError for what is no such object."""
    sent = await read_object(request)
    if not {"title", "speakers"} & sent.keys():
        raise _invalid("The body has neither a 'title' nor 'speakers'", None)
    names = sent.get("speakers", {})
    if not isinstance(names, dict):
        raise _invalid("'speakers' is no object")
    checked = {label: _checked(name) for label, name in names.items()}
    return JobChanges(checked, _checked_title(sent.get("title")), "title" in sent)


def apply(store: JobStore, job: JobRequest, changes: JobChanges) -> None:
    """Raises ApiError if the job has no such speakers. Blocks: run it in a thread."""
    if changes.names:
        _check_speakers(store, job, changes.names)
    if changes.has_title:
        store.transcripts.entitle(job.id, changes.title)
    if changes.names:
        store.transcripts.name_speakers(job.id, changes.names)


def _check_speakers(store: JobStore, job: JobRequest, names: Names) -> None:
    outcome = store.outcome(job.id)
    if outcome is None:
        if not store.has(job.id):
            raise JobNotFound(job.id)
        raise ApiError("job_not_finished", f"The speakers of {job.id} are known once it has finished.", param="id")
    known = [speaker.label for speaker in store.transcripts.edits(job.id).speakers(outcome.speakers, {})]
    if strange := next((label for label in names if label not in known), None):
        there = f"it has {', '.join(known[:20])}" if known else "nobody was told apart in it"
        raise _invalid(f"The job has no speaker '{strange[:100]}'; {there}")


def _checked(name: object) -> str | None:
    if name is None or name == "":
        return None
    try:
        return check_name(name if isinstance(name, str) else "")
    except ValueError as error:
        raise _invalid(f"'speakers' {error}") from None


def _checked_title(title: object) -> str | None:
    if title is None:
        return None
    if not isinstance(title, str):
        raise _invalid("'title' is no text", "title")
    kept = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") else sign for sign in title).strip()
    if len(kept) > MAX_TITLE:
        raise _invalid(f"'title' has more than {MAX_TITLE} characters", "title")
    return kept or None


def _invalid(message: str, param: str | None = "speakers") -> ApiError:
    remedy = 'Send {"title": "Weekly"} or {"speakers": {"A": "Anna"}}, or both.'
    return ApiError("invalid_value", f"{message}. {remedy}", param=param)
