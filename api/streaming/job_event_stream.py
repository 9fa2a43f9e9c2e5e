"""The news of one job, in order, from wherever a reader left off.

Events come from the job's stream in Redis in small helpings, so a slow reader costs no more than one of them. When
the job has ended the store has the last word: whatever segments were not told yet, and how it ended. So the news are
complete if Redis lost the stream, or never had its end.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from api.answers.waiting import wakes
from api.state import AppState
from worker.queue.events import Event, told
from worker.store.job_store import JobNotFound
from worker.store.records import ENDED, JobRequest, Outcome

PAGE_SIZE = 100  # events read from Redis at a time
NAMES = ("state", "progress", "segment")  # of events in a job's stream
END = "end"  # the id of a job's last news

_CURSOR = re.compile(r"(\d{1,20}-\d{1,20}):(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a reader has had: up to which event of the stream, and how many segments. Segments are counted too, because
    a stream may be lost and the store's transcript has no events."""

    event: str = "0-0"
    segments: int = 0

    def __str__(self) -> str:
        return f"{self.event}:{self.segments}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises ValueError for what `str` did not make."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return cls(found[1], int(found[2]))


@dataclass(frozen=True, slots=True)
class JobEvent:
    """id: where to go on after it. name: state, progress, segment or done."""

    id: str
    name: str
    data: dict[str, Any]


async def follow(service: AppState, job: JobRequest, cursor: Cursor | None = None) -> AsyncIterator[JobEvent | None]:
    """The job's news after the cursor, the last being `done`; None if nothing happened for a while.

    Ends without `done` when the server stops.
    """
    reader = _Reader(service, job, cursor or Cursor())
    with service.waiters.following(job.id) as woken:
        while not service.waiters.is_closing:
            woken.clear()  # before the look, so that what happens after it is not missed
            helping = await service.redis_threads.run(reader.read)
            for news in helping:
                yield news
                if news.name == "done":
                    return
            if not helping and not await wakes(woken, service.timing.ping):
                yield None


class _Reader:
    def __init__(self, service: AppState, job: JobRequest, cursor: Cursor) -> None:
        self._service = service
        self._job = job
        self._cursor = cursor

    def read(self) -> list[JobEvent]:
        """What there is now; empty if there is nothing new."""
        while events := self._events():
            news: list[JobEvent] = []
            for event in events:
                if event.name == "state" and event.data["state"] in ENDED:
                    return news + self._rest()
                news.extend(self._news(event))
            if news:
                return news
        return self._rest()

    def _events(self) -> list[Event]:
        try:
            return self._service.events.read(self._job.id, self._cursor.event, PAGE_SIZE)
        except RedisError:  # away: the end, if it comes meanwhile, is in the store
            return []

    def _news(self, event: Event) -> Iterator[JobEvent]:
        """The event, unless it is a segment that was told before Redis lost its stream, or none that we know."""
        is_segment = event.name == "segment"
        before = self._cursor.segments
        self._cursor = Cursor(event.id, max(before, event.data["id"] + 1) if is_segment else before)
        if event.name in NAMES and (not is_segment or event.data["id"] >= before):
            yield JobEvent(str(self._cursor), event.name, event.data)

    def _rest(self) -> list[JobEvent]:
        """What the store says once the job has ended."""
        try:
            outcome = self._service.store.outcome(self._job.id)
            if outcome is None and self._service.store.has(self._job.id):
                return []
            if outcome is None:
                raise JobNotFound(self._job.id)
            return [*self._untold(outcome), JobEvent(END, "done", self._service.jobs.view(self._job))]
        except JobNotFound:
            return [JobEvent(END, "done", {"id": self._job.id, "object": "transcription.job", "status": "deleted"})]

    def _untold(self, outcome: Outcome) -> Iterator[JobEvent]:
        if outcome.state != "finished":
            return
        for segment in self._service.store.transcript(self._job.id).segments[self._cursor.segments :]:
            self._cursor = Cursor(self._cursor.event, segment.id + 1)
            yield JobEvent(str(self._cursor), "segment", told(segment))
