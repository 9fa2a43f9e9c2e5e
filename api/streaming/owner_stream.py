"""`GET /v1/jobs/events`: what happens to all of an owner's jobs, on one stream.

The feed in Redis says which jobs changed; what they are then is read, so that a reader who falls behind misses steps
and never ends. An event's id is the feed's entry up to which its reader knows everything, and whoever comes back with
it is told what changed since, as long as the feed goes back so far. If not, or if it was interrupted: `reset`.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from api.answers.waiting import wakes
from api.answers.watch import Changes
from api.state import AppState
from worker.queue.events import DELETED, NEWS
from worker.store.job_store import JobNotFound, RecordBroken

MAX_PLACES = 200  # waiting jobs whose position is told: those that come first
GATHERING = 0.25  # seconds between two looks at what changed
REDIS_PAUSE = 1.0  # second until Redis is asked again
_ENTRY = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
_PROGRESS = ("id", "progress", "processed_seconds", "total_seconds", "speed", "eta_seconds")


@dataclass(frozen=True, slots=True)
class OwnerEvent:
    """id: where to go on after it. name: job, progress, positions, deleted or reset; empty for an id alone."""

    id: str
    name: str
    data: dict[str, Any]


async def watch_jobs(service: AppState, owner: str, last: str | None) -> AsyncIterator[OwnerEvent | None]:
    """What happens to the owner's jobs after the event with the id `last`, or from now on; None if nothing happened
    for a while. Ends when the server stops."""
    reader, ping = _Reader(service, owner), service.timing.ping
    with service.waiters.watching() as watch:
        for event in await _begun(service, reader, last):
            yield event
        while not service.waiters.is_closing:
            if not await wakes(watch.woken, min(ping, reader.until_places)) and reader.until_places > 0:
                yield None
                continue
            changes = watch.take()
            try:
                events = await service.redis_threads.run(reader.read, changes)
            except RedisError:
                watch.give_back(changes)
                await asyncio.sleep(REDIS_PAUSE)
                continue
            for event in events:
                yield event
            await asyncio.sleep(GATHERING)


async def _begun(service: AppState, reader: _Reader, last: str | None) -> list[OwnerEvent]:
    """Once Redis is there."""
    while not service.waiters.is_closing:
        try:
            return await service.redis_threads.run(reader.begin, last)
        except RedisError:
            await asyncio.sleep(REDIS_PAUSE)
    return []


class _Reader:
    def __init__(self, service: AppState, owner: str) -> None:
        self._service = service
        self._owner = owner
        self._upto = ""
        self._places: dict[str, int] = {}
        self._places_at = math.inf  # monotonic seconds

    @property
    def until_places(self) -> float:
        """Seconds until positions are to be looked at, infinite if no queue has moved."""
        return self._places_at - time.monotonic()

    def begin(self, last: str | None) -> list[OwnerEvent]:
        """last: the id its reader comes back with. Raises RedisError."""
        events = self._service.events
        if last is None:
            self._upto = events.newest()
            return [OwnerEvent(self._upto, "", {})]
        entries = events.since(last) if _ENTRY.fullmatch(last) else None
        if entries is None:
            self._upto = events.newest()
            return [self._reset()]
        changes, self._upto = Changes(upto=last), last
        for entry in entries:
            changes.add(entry)
        return self.read(changes)

    def read(self, changes: Changes) -> list[OwnerEvent]:
        """What changed, as it is now. Raises RedisError."""
        told = [] if changes.is_gap else self._told(changes)
        if self.until_places <= 0:
            if places := self._moved():
                told.append(("positions", {"positions": places}))
            self._places_at = math.inf
        if changes.is_gap or changes.have_moved_a_queue:  # a job that is told this moment comes into its queue after it
            self._places_at = min(self._places_at, time.monotonic() + self._service.timing.positions)
        before, self._upto = self._upto, changes.upto or self._upto
        if changes.is_gap:
            return [self._reset(), *(OwnerEvent(self._upto, *each) for each in told)]
        ids = [before] * (len(told) - 1) + [self._upto]  # only with the last its reader knows everything up to there
        return [OwnerEvent(upto, *each) for upto, each in zip(ids, told, strict=False)]

    def _reset(self) -> OwnerEvent:
        return OwnerEvent(self._upto, "reset", {})

    def _told(self, changes: Changes) -> list[tuple[str, dict[str, Any]]]:
        found: list[tuple[str, dict[str, Any]]] = []
        for entry in changes.jobs.values():
            if entry.state == DELETED:
                if entry.owner == self._owner:
                    found.append(("deleted", {"id": entry.job_id}))
            elif view := self._view(entry.job_id):
                is_progress = entry.state == NEWS
                found.append(("progress", {key: view[key] for key in _PROGRESS}) if is_progress else ("job", view))
        return found

    def _view(self, job_id: str) -> dict[str, Any] | None:
        """None for another's job, and for one that is gone or cannot be shown."""
        jobs = self._service.jobs
        try:
            return jobs.shown(job_id, self._owner) if jobs.owner(job_id) == self._owner else None
        except (JobNotFound, RecordBroken, OSError):
            return None

    def _moved(self) -> dict[str, int]:
        """The positions that are others than were told last."""
        before, self._places = self._places, self._service.jobs.places(self._owner, MAX_PLACES)
        return {job_id: place for job_id, place in self._places.items() if before.get(job_id) != place}
