"""What a job owes its receiver: `deliveries.jsonl`, one line for each attempt.

A job that has ended and names a receiver owes a call from the very moment its outcome is there; the lines only say what
has come of it. So there is no moment at which a job has ended and its call could be lost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from worker.store.job_store import JobStore
from worker.store.records import JobRequest, Outcome
from worker.webhooks.message import event_id, event_type
from worker.webhooks.schedule import State, Tried


@dataclass(frozen=True, slots=True)
class Attempt:
    """at: unix seconds; seconds: how long it took; status: the receiver's, None without an answer; error: why there is
    none; state: what the delivery was after it; next_at: unix seconds."""

    at: float
    seconds: float
    status: int | None
    error: str | None
    state: State
    next_at: float | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job's one message. next_at: unix seconds of the next attempt, while it is pending. tried: the attempts since it
    began or was last sent again by hand."""

    id: str
    type: str
    url: str
    state: State
    next_at: float | None
    attempts: tuple[Attempt, ...]
    tried: tuple[Tried, ...]

    @property
    def is_settled(self) -> bool:
        return self.state != "pending"


class Outbox:
    """Reads and writes deliveries in the store."""

    def __init__(self, store: JobStore, first_wait: float = 0.0) -> None:
        self._store = store
        self._first_wait = first_wait

    def delivery(self, request: JobRequest) -> Delivery | None:
        """None for a job that names no receiver or has not ended; raises JobNotFound for one that is gone."""
        outcome = self._store.outcome(request.id)
        if request.webhook is None or outcome is None:
            return None
        return _replayed(request, outcome, _rows(self._store.deliveries(request.id)), self._first_wait)

    def record(self, job_id: str, attempt: Attempt) -> None:
        """Raises JobNotFound where the job was deleted meanwhile."""
        self._write(job_id, asdict(attempt))

    def again(self, job_id: str) -> None:
        """Begins anew, whatever became of the attempts so far."""
        self._write(job_id, {"again_at": time.time()})

    def _write(self, job_id: str, row: dict[str, Any]) -> None:
        # The line break before it parts it from a line that a crash has torn.
        self._store.add_delivery(job_id, f"\n{json.dumps(row, ensure_ascii=False)}\n".encode())


def _rows(lines: bytes) -> list[dict[str, Any]]:
    """What is torn is no line."""
    rows = []
    for line in lines.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _replayed(request: JobRequest, outcome: Outcome, rows: Sequence[dict[str, Any]], first_wait: float) -> Delivery:
    state: State = "pending"
    next_at: float | None = outcome.ended_at + first_wait
    attempts: list[Attempt] = []
    tried: list[Tried] = []
    again_at = 0.0
    for row in rows:
        if "again_at" in row:
            again_at = row["again_at"]
            state, next_at, tried = "pending", again_at, []
        elif row.get("state") in get_args(State):
            attempt = Attempt(**{name: row.get(name) for name in Attempt.__dataclass_fields__})  # type: ignore[arg-type]
            attempts.append(attempt)
            if attempt.at >= again_at:  # else it was under way when the message was asked for again
                tried.append(Tried(attempt.at, attempt.status))
                state, next_at = attempt.state, attempt.next_at
    url = request.webhook.url if request.webhook else ""
    return Delivery(event_id(request.id), event_type(outcome), url, state, next_at, tuple(attempts), tuple(tried))
