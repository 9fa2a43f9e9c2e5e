"""What a webhook says: which job has ended and how, where the rest is, and the text if that is short."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from engines.transcript import Transcript
from worker.jobs.job_view import job_view
from worker.queue.events import told
from worker.store.edits.edits import Edits
from worker.store.records import JobRequest, Outcome, Webhook

SHORT = 8 * 1024  # bytes of text that go along unasked; receivers like messages below 20 kB
INCLUDABLE = ("text", "segments")
_TYPES = {"finished": "transcription.completed", "failed": "transcription.failed", "canceled": "transcription.canceled"}


def event_id(job_id: str, end: int = 1) -> str:
    """The same for every attempt, whoever makes it and whenever. end: which one of the job, that has more if it was
    requeued; a receiver that has had the first must not take the second for it."""
    first = f"evt_{job_id.removeprefix('job_')}"
    return first if end == 1 else f"{first}_{end}"


def event_type(outcome: Outcome) -> str:
    return _TYPES[outcome.state]


def message(
    request: JobRequest,
    outcome: Outcome,
    transcript: Transcript | None,
    public_url: str | None,
    edits: Edits = Edits(),
    expires_at: int | None = None,
    names: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """public_url: what the links begin with, such as `https://whisper.example.com`; without it they begin with the
    address the job was sent to, if that is known, or are paths. names: of speakers, by label."""
    webhook = request.webhook or Webhook("")
    base_url = (public_url or webhook.base_url).rstrip("/")
    data = job_view(request, outcome, None, edits, expires_at, names)
    data["urls"] = {name: base_url + path for name, path in data["urls"].items()}
    if transcript is not None:
        data |= _words(transcript, webhook.include)
    at = datetime.fromtimestamp(outcome.ended_at, UTC).isoformat(timespec="milliseconds")
    whole = {"type": event_type(outcome), "timestamp": at.replace("+00:00", "Z"), "data": data}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _words(transcript: Transcript, include: tuple[str, ...]) -> dict[str, Any]:
    """text is null if it is long and nobody asked for it: the link leads to it."""
    is_welcome = "text" in include or len(transcript.text.encode()) <= SHORT
    words: dict[str, Any] = {"text": transcript.text if is_welcome else None}
    if "segments" in include:
        words["segments"] = [told(segment) for segment in transcript.segments]
    return words
