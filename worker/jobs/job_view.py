"""The job object, as clients see it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from worker.outbound.target import shown_url
from worker.store.edits.edits import Edits
from worker.store.records import JobRequest, Outcome, Retry, State, Webhook


@dataclass(frozen=True, slots=True)
class Live:
    """What is known of a job that has not ended. status: see worker.queue.events; position: jobs ahead in the queue;
    retry: what its last try came to, if that was trouble; is_put_aside: whether it is to be tried again later. now:
    unix seconds."""

    status: Mapping[str, float]
    position: int | None
    retry: Retry | None = None
    is_put_aside: bool = False
    now: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class _Progress:
    """started_at: unix seconds; processed and total: seconds of audio; seconds: time the work has taken."""

    started_at: float | None = None
    processed: float = 0.0
    total: float | None = None
    seconds: float = 0.0

    @property
    def share(self) -> float:
        return min(1.0, self.processed / self.total) if self.total else 0.0

    @property
    def speed(self) -> float | None:
        return self.processed / self.seconds if self.processed > 0 and self.seconds > 0 else None

    @property
    def remaining(self) -> float | None:
        if self.total is None or self.speed is None:
            return None
        return max(0.0, self.total - self.processed) / self.speed


def job_view(
    request: JobRequest,
    outcome: Outcome | None,
    live: Live | None,
    edits: Edits = Edits(),
    expires_at: int | None = None,
    names: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The job object. Times are unix seconds, `eta_seconds` what is probably left, `speed` in times real time.
    expires_at: see `Expiry`. names: of speakers, by label."""
    progress = _ended(outcome) if outcome else _running(live)
    state = _state(outcome, live)
    return {
        "id": request.id,
        "object": "transcription.job",
        "status": state,
        "created_at": int(request.created_at),
        "started_at": _whole(progress.started_at),
        "ended_at": _whole(outcome.ended_at) if outcome else None,
        "expires_at": expires_at,
        "attempts": outcome.attempts if outcome else None,
        "model": request.model,
        "task": request.options.task,
        "language": request.options.language,
        "detected_language": outcome.language if outcome else None,
        "priority": request.priority,
        "title": edits.title,
        "file": {"name": request.filename, "bytes": request.size},
        "url": shown_url(request.url) if request.url else None,
        "progress": 1.0 if state == "finished" else round(progress.share, 4),
        "processed_seconds": round(progress.processed, 3),
        "total_seconds": _rounded(progress.total, 3),
        "speed": _rounded(progress.speed, 2),
        "eta_seconds": _rounded(progress.remaining, 1) if state == "started" else None,
        "position": live.position if live else None,
        "waiting_for": _waiting_for(live.retry) if live and state == "queued" else None,
        "error": {"code": outcome.error.code, "message": outcome.error.message} if outcome and outcome.error else None,
        "track": (outcome.track if outcome else None) or request.options.listening.track,
        "speakers": _speakers(request, outcome, edits, names),
        "edited": bool(edits.segments),
        "warnings": [asdict(warning) for warning in (*request.warnings, *(outcome.warnings if outcome else ()))],
        "metadata": request.metadata,
        "webhook": _webhook(request.webhook),
        "urls": job_urls(request.id),
    }


def job_urls(job_id: str) -> dict[str, str]:
    """Where the job's parts are, as paths on this server."""
    here = f"/v1/jobs/{job_id}"
    return {
        "self": here,
        "transcript": f"{here}/transcript",
        "events": f"{here}/events",
        "audio": f"{here}/audio",
        "peaks": f"{here}/peaks",
        "cancel": f"{here}/cancel",
        "deliveries": f"{here}/deliveries",
        "page": f"/#/jobs/{job_id}",
    }


def _speakers(
    request: JobRequest, outcome: Outcome | None, edits: Edits, names: Mapping[str, str]
) -> list[dict[str, Any]] | None:
    """None if they were not asked for, or are not known yet."""
    if request.diarization is None or outcome is None or outcome.state != "finished":
        return None
    return [
        {"id": each.label, "name": each.name or each.label, "seconds": round(each.seconds, 1)}
        for each in edits.speakers(outcome.speakers, names)
    ]


def _webhook(webhook: Webhook | None) -> dict[str, Any] | None:
    """Its headers are the receiver's secrets."""
    return {"url": webhook.url, "include": list(webhook.include)} if webhook else None


def _state(outcome: Outcome | None, live: Live | None) -> State:
    if outcome:
        return outcome.state
    if live is None or live.is_put_aside or live.position is not None:
        return "queued"  # one that waits again, after a crash of its worker, still has the status of its first run
    return "started" if "started_at" in live.status else "queued"


def _waiting_for(retry: Retry | None) -> dict[str, Any] | None:
    if retry is None:
        return None
    cause = retry.cause
    return {"code": cause.code, "message": cause.message, "tries": retry.tries, "next_try_at": round(retry.due_at, 3)}


def _ended(outcome: Outcome) -> _Progress:
    seconds = outcome.ended_at - outcome.started_at if outcome.started_at else 0.0
    return _Progress(outcome.started_at, outcome.duration or 0.0, outcome.duration, seconds)


def _running(live: Live | None) -> _Progress:
    status = live.status if live else {}
    started_at = status.get("started_at")
    seconds = live.now - started_at if live and started_at else 0.0
    total = status.get("total") or None  # 0 until the file has been opened
    return _Progress(started_at, status.get("processed", 0.0), total, seconds)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)
