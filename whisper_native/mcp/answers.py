"""What tools answer: jobs with what an agent wants to know of them, and transcripts that leave it room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MAX_CHARACTERS = 40_000  # of a transcript in one answer: some 10,000 tokens
WAITING = ("queued", "started")


@dataclass(frozen=True)
class Job:
    """One recording on the server.

    status: uploading, queued, started, finished, failed or canceled. name: of its file. title: what it was called
    since. created, expires: ISO 8601; it is deleted then. progress: 0 to 1. seconds: the recording's length. next: what
    to do now.
    """

    id: str | None
    status: str
    name: str
    title: str | None = None
    created: str | None = None
    expires: str | None = None
    progress: float = 0.0
    seconds: float | None = None
    eta_seconds: float | None = None
    position: int | None = None
    language: str | None = None
    speakers: list[str] = field(default_factory=list)
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    next: str | None = None


@dataclass(frozen=True)
class Transcribed:
    """transcript: None unless the job has finished."""

    job: Job
    transcript: str | None = None


def job_of(shown: Mapping[str, Any]) -> Job:
    """shown: the job as the server shows it."""
    trouble = shown.get("error") or shown.get("waiting_for")
    return Job(
        id=shown["id"],
        status=shown["status"],
        name=shown["file"]["name"],
        title=shown.get("title"),
        created=_iso(shown["created_at"]),
        expires=_iso(expires) if (expires := shown.get("expires_at")) else None,
        progress=round(shown["progress"], 3),
        seconds=shown["total_seconds"],
        eta_seconds=shown["eta_seconds"],
        position=shown["position"],
        language=shown.get("detected_language") or shown["language"],
        speakers=[each["name"] for each in shown.get("speakers") or ()],
        error=f"{trouble['code']}: {trouble['message']}" if trouble else None,
        warnings=[each["message"] for each in shown.get("warnings") or ()],
        next=_next(shown),
    )


def _iso(seconds: int) -> str:
    """seconds: since 1970."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def uploading(name: str, share: float) -> Job:
    """A recording that is still on its way to the server."""
    remedy = "It is still being uploaded. Call transcribe again with the same arguments to go on waiting."
    return Job(id=None, status="uploading", name=name, progress=round(share, 3), next=remedy)


def shortened(transcript: str) -> str:
    """As much as one answer may have, cut at the end of a line if there is one, and what to do for the rest."""
    if len(transcript) <= MAX_CHARACTERS:
        return transcript
    cut = transcript.rfind("\n", MAX_CHARACTERS // 2, MAX_CHARACTERS)
    kept = transcript[: cut if cut > 0 else MAX_CHARACTERS]
    return (
        f"{kept}\n\n[{len(kept)} of {len(transcript)} characters. For the rest call get_transcript with `start`, in "
        "seconds: the last time above.]"
    )


def _next(shown: Mapping[str, Any]) -> str | None:
    if shown["status"] == "started" and shown["eta_seconds"] is not None:
        return f"Call job_status in about {max(1, round(shown['eta_seconds']))} seconds."
    if shown["status"] in WAITING:
        return "Call job_status with `wait`."
    return None if shown["status"] == "finished" else "Call transcribe again to run it once more."
