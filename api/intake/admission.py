"""How many uploads come in at once, and whether there is room for what they bring, before a byte of them is read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from api.http.errors import RETRY_AFTER_FULL, ApiError
from api.http.redis_threads import RedisThreads
from api.intake.places import Places
from worker.jobs.backlog import Backlog
from worker.runtime.timing import Timing
from worker.store.records import Priority


class Admission:
    """The places for uploads of one API process. is_shared: between owners, of whom none may take all. is_draining:
    whether the service is about to end: who would wait is refused, jobs are taken, since they outlive it."""

    def __init__(
        self,
        backlog: Backlog,
        max_uploads: int,
        redis_threads: RedisThreads,
        timing: Timing = Timing(),
        *,
        is_shared: bool = False,
        is_draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self._backlog = backlog
        self._redis_threads = redis_threads
        self._max_uploads = max_uploads
        self._patience = timing.place
        self._is_draining = is_draining
        self._places = Places(max_uploads, is_shared=is_shared)
        self._coming: Counter[tuple[Priority, str]] = Counter()  # by owner

    @property
    def uploads(self) -> int:
        """How many come in just now."""
        return self._places.taken

    @asynccontextmanager
    async def place(self, priority: Priority, owner: str, *, counts: bool = True) -> AsyncIterator[None]:
        """A place for an upload that will probably join this queue; raises ApiError if there is none, QueueFull
        if the queue has no room. counts: it will be a further job, as far as one can know."""
        if priority == "interactive" and counts and self._is_draining():
            raise _draining()
        await self._take_place(owner)
        self._coming[priority, owner] += counts
        try:
            if counts:
                coming = sum(count for (of, _), count in self._coming.items() if of == priority)
                theirs = self._coming[priority, owner]
                await self._redis_threads.run(self._backlog.check, priority, owner, coming, theirs)
            yield
        finally:
            self._coming[priority, owner] -= counts
            self._places.release(owner)

    async def _take_place(self, owner: str) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._places.take(owner)
        except TimeoutError:
            message = f"{self._max_uploads} uploads come in already (WHISPER_MAX_UPLOADS)"
            if held := self._places.held(owner):
                message = f"{message}, or {held} of yours, and others may want a place"
            raise ApiError("too_many_uploads", f"{message}. Try again in a moment.") from None


def _draining() -> ApiError:
    message = "The server finishes what it has in hand and then restarts or stops. Send it again later, or as a job"
    return ApiError("shutting_down", f"{message} (POST /v1/jobs).", headers={"retry-after": str(RETRY_AFTER_FULL)})
