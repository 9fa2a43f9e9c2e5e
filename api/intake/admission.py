"""How many uploads come in at once, and whether there is room for what they bring, before a byte of them is read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.http.errors import ApiError
from api.http.redis_threads import RedisThreads
from worker.jobs.backlog import Backlog
from worker.runtime.timing import Timing
from worker.store.records import Priority


class Admission:
    """The places for uploads of one API process."""

    def __init__(
        self, backlog: Backlog, max_uploads: int, redis_threads: RedisThreads, timing: Timing = Timing()
    ) -> None:
        self._backlog = backlog
        self._redis_threads = redis_threads
        self._max_uploads = max_uploads
        self._patience = timing.place
        self._places = asyncio.Semaphore(max_uploads)
        self._coming: Counter[Priority] = Counter()

    @asynccontextmanager
    async def place(self, priority: Priority, *, counts: bool = True) -> AsyncIterator[None]:
        """A place for an upload that will probably join this queue; raises ApiError if there is none, QueueFull
        if the queue has no room. counts: it
        will be a further job, as far as one can know."""
        await self._take_place()
        self._coming[priority] += counts
        try:
            if counts:
                await self._redis_threads.run(self._backlog.check, priority, self._coming[priority])
            yield
        finally:
            self._coming[priority] -= counts
            self._places.release()

    async def _take_place(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            message = f"{self._max_uploads} uploads come in already (WHISPER_MAX_UPLOADS). Try again in a moment."
            raise ApiError("too_many_uploads", message) from None
