"""What a job owes its receiver: `deliveries.jsonl`, one line for each attempt.

A job that has ended and names a receiver owes a call from the very moment its outcome is there; the lines only say what
has come of it. So there is no moment at which a job has ended and its call could be lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from engines.transcript import SPARSE
from worker.jobs.job_service import JobService
from worker.store.job_store import JobStore
from worker.store.record_format import RecordFormat, RecordUnreadable
from worker.store.records import JobRequest, Outcome
from worker.webhooks.message import event_id, event_type
from worker.webhooks.schedule import State, Tried

CLOCKS = 1.0  # seconds by which two may differ that go by Redis'

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """at: unix seconds; seconds: how long it took; status: the receiver's, None without an answer; error: why there is
    none; state: what the delivery was after it; next_at: unix seconds."""

    at: float
    seconds: float
    status: int | None
    error: str | None
    state: State
    next_at: float | None = None


@dataclass(frozen=True, slots=True)
class Redelivery:
    """Somebody asked for the message once more. again_at: unix seconds. is_new_end: the job was requeued, so that the
    message is another. after: the end that it had before, in unix seconds: as long as that stands, the line does not
    count. Versions before wrote none, and the line afterwards."""

    again_at: float
    is_new_end: bool = False
    after: float | None = field(default=None, metadata=SPARSE)


_Line = Attempt | Redelivery
LINE: RecordFormat[_Line] = RecordFormat("a line of deliveries.jsonl", _Line)  # type: ignore[arg-type]  # of two kinds


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
    """Reads and writes deliveries in the store. now: unix seconds, as of the sender's clock."""

    def __init__(self, store: JobStore, first_wait: float = 0.0, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._first_wait = first_wait
        self._now = now

    def delivery(self, request: JobRequest) -> Delivery | None:
        """None for a job that names no receiver or has not ended; raises JobNotFound for one that is gone."""
        if request.webhook is None or (outcome := self._store.outcome(request.id)) is None:
            return None
        return _replayed(request, outcome, _lines(self._store.deliveries(request.id)), self._first_wait)

    def record(self, job_id: str, attempt: Attempt) -> None:
        """Raises JobNotFound if the job was deleted meanwhile."""
        self._write(job_id, attempt)

    def again(self, job_id: str, *, is_new_end: bool = False, after: float | None = None) -> None:
        """Begins anew, whatever became of the attempts so far. is_new_end: with the next message of the job. after: see
        Redelivery."""
        self._write(job_id, Redelivery(self._now(), is_new_end, after))

    def requeue(self, jobs: JobService, job_id: str) -> JobRequest:
        """Has a job run again whose receiver is then owed its new end. Raises as JobService.requeue does."""

        def owe(request: JobRequest, outcome: Outcome) -> None:
            if request.webhook is not None:
                self.again(job_id, is_new_end=True, after=outcome.ended_at)

        return jobs.requeue(job_id, owe)

    def _write(self, job_id: str, line: _Line) -> None:
        # The line break before it parts it from a line that a crash has torn.
        self._store.add_delivery(job_id, b"\n" + LINE.dump(line) + b"\n")


def _lines(content: bytes) -> Iterator[_Line]:
    """What cannot be read is no line: a crash has torn it."""
    for line in filter(None, content.splitlines()):
        try:
            yield LINE.load(line)
        except RecordUnreadable as error:
            if error.newer:
                log.warning("What became of a webhook is ignored: %s", error)


def _replayed(request: JobRequest, outcome: Outcome, lines: Iterable[_Line], first_wait: float) -> Delivery:
    state: State = "pending"
    next_at: float | None = outcome.ended_at + first_wait
    attempts: list[Attempt] = []
    tried: list[Tried] = []
    again_at, end = 0.0, 1
    taken_back: set[float | None] = {outcome.ended_at}  # the last one is not
    for line in lines:
        if isinstance(line, Redelivery):
            if line.after in taken_back:  # it was not, or by another
                continue
            again_at, end = line.again_at, end + line.is_new_end
            state, next_at, tried = "pending", again_at, []
            if line.after is not None:
                taken_back.add(line.after)
                again_at = max(again_at, outcome.ended_at - CLOCKS)  # the old message may have been sent just then
            continue
        attempts.append(line)
        if line.at >= again_at:  # else it was under way when the message was asked for again
            tried.append(Tried(line.at, line.status))
            state, next_at = line.state, line.next_at
    url = request.webhook.url if request.webhook else ""
    event = event_id(request.id, end)
    return Delivery(event, event_type(outcome), url, state, next_at, tuple(attempts), tuple(tried))
