"""Clients that wait for a job's end or follow its news, all on one reader of the feed, which wakes them."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from redis import Redis
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from api.answers.watch import Watch
from worker.queue.events import FeedEntry, FeedReader
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, JobStore
from worker.store.records import ENDED, Outcome

log = logging.getLogger(__name__)


class Waiters:
    """Who waits for which job. Belongs to one event loop; `start` is called on it.

    give_up: called with the id of a job nobody waits for any more.
    """

    def __init__(
        self, store: JobStore, redis: Redis, give_up: Callable[[str], Awaitable[None]], timing: Timing = Timing()
    ) -> None:
        self._store = store
        self._give_up = give_up
        self._timing = timing
        self._reader = FeedReader(redis, self._on_state, self._on_gap, timing, self._on_entry, gather=0.0)
        self._watches: set[Watch] = set()
        self._waiting: defaultdict[str, dict[asyncio.Event, bool]] = defaultdict(dict)  # True: every news, not the end
        self._abandoned: set[str] = set()  # jobs whose own client has left
        self._promised: set[str] = set()  # jobs whose own client was told that they go on
        self._countdowns: dict[str, asyncio.TimerHandle] = {}
        self._giving_up: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_closing = False

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader.start()

    def close(self) -> None:
        """Sends everyone who waits away: `ended` returns None."""
        self.is_closing = True
        self._wake_all()

    async def stop(self) -> None:
        self.close()
        for countdown in self._countdowns.values():
            countdown.cancel()
        self._reader.stop()
        self._loop = None

    async def ended(self, job_id: str, timeout: float | None) -> Outcome | None:
        """The job's outcome, or None after `timeout` seconds, if there are any, or when the server stops; JobNotFound
        once deleted, RecordBroken if it cannot be read."""
        woken = self._join(job_id)
        try:
            async with asyncio.timeout(timeout) as deadline:
                return await self._outcome(job_id, woken)
        except TimeoutError:
            if not deadline.expired():
                raise
            return None
        finally:
            self._leave(job_id, woken)

    async def ended_while_here(self, job_id: str, timeout: float | None, receive: Receive) -> Outcome | None:
        """As `ended`, for a client whose request is read: once it leaves, ClientDisconnect is raised, and the job is
        canceled 30 s later unless somebody else waits for it by then."""
        self.returned(job_id)
        ended = asyncio.create_task(self.ended(job_id, timeout))
        left = asyncio.create_task(_disconnect(receive))
        try:
            await asyncio.wait({ended, left}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                outcome = ended.result()
                if outcome is None:  # its client is told where it goes on
                    self._keep(job_id)
                return outcome
        finally:
            for task in (ended, left):
                task.cancel()
            await asyncio.wait({ended, left})
        self.abandon(job_id)
        raise ClientDisconnect()

    @contextmanager
    def following(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever there may be news of the job, or the server stops."""
        woken = self._join(job_id, wants_news=True)
        try:
            yield woken
        finally:
            self._leave(job_id, woken)

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """What happens to all jobs from now on."""
        watch = Watch()
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def returned(self, job_id: str) -> None:
        """The job's own client is here (again)."""
        self._abandoned.discard(job_id)

    def abandon(self, job_id: str) -> None:
        """The job's own client has left: it is canceled 30 s from now unless somebody else waits for it by then."""
        if job_id not in self._promised:
            self._abandoned.add(job_id)
            self._count_down(job_id)

    async def _outcome(self, job_id: str, woken: asyncio.Event) -> Outcome | None:
        while not self.is_closing:
            woken.clear()  # before the look, so that an end after it is not missed
            outcome = await run_in_threadpool(self._look, job_id)
            if outcome is not None:
                self._abandoned.discard(job_id)
                self._promised.discard(job_id)
                return outcome
            await wakes(woken, self._timing.job_look)
        return None

    def _keep(self, job_id: str) -> None:
        """Whoever else has left or will: the job is not given up."""
        self._promised.add(job_id)
        self._abandoned.discard(job_id)
        if countdown := self._countdowns.pop(job_id, None):
            countdown.cancel()

    def _look(self, job_id: str) -> Outcome | None:
        outcome = self._store.outcome(job_id)
        if outcome is None and not self._store.has(job_id):
            raise JobNotFound(job_id)
        return outcome

    def _join(self, job_id: str, wants_news: bool = False) -> asyncio.Event:
        if countdown := self._countdowns.pop(job_id, None):
            countdown.cancel()
        woken = asyncio.Event()
        self._waiting[job_id][woken] = wants_news
        return woken

    def _leave(self, job_id: str, woken: asyncio.Event) -> None:
        self._waiting[job_id].pop(woken, None)
        if not self._waiting[job_id]:
            del self._waiting[job_id]
            if job_id in self._abandoned:  # whoever looked in on it leaves it as alone as it was
                self._count_down(job_id)

    def _count_down(self, job_id: str) -> None:
        if job_id not in self._waiting and job_id not in self._countdowns and not self.is_closing:
            loop = asyncio.get_running_loop()
            self._countdowns[job_id] = loop.call_later(self._timing.abandon, self._start_giving_up, job_id)

    def _start_giving_up(self, job_id: str) -> None:
        del self._countdowns[job_id]
        self._abandoned.discard(job_id)
        task = asyncio.create_task(self._give_up_quietly(job_id))
        self._giving_up.add(task)
        task.add_done_callback(self._giving_up.discard)

    async def _give_up_quietly(self, job_id: str) -> None:
        try:
            await self._give_up(job_id)
        except Exception:
            log.exception("%s, which nobody waits for, could not be canceled", job_id)

    def _on_state(self, job_id: str, state: str) -> None:
        self._on_loop(self._wake, job_id, state in ENDED)
        if state in ENDED:
            self._on_loop(self._promised.discard, job_id)

    def _on_gap(self) -> None:
        self._on_loop(self._wake_all)
        self._on_loop(self._tell_all, None)

    def _on_entry(self, entry: FeedEntry) -> None:
        if self._watches:
            self._on_loop(self._tell_all, entry)

    def _tell_all(self, entry: FeedEntry | None) -> None:
        for watch in self._watches:
            watch.tell(entry)

    def _on_loop(self, call: Callable[..., None], *args: object) -> None:
        loop = self._loop  # the reader's thread may still run when the loop has gone
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(call, *args)

    def _wake(self, job_id: str, has_ended: bool = True) -> None:
        for woken, wants_news in self._waiting.get(job_id, {}).items():
            if has_ended or wants_news:
                woken.set()

    def _wake_all(self) -> None:
        for job_id in self._waiting:
            self._wake(job_id)
        for watch in self._watches:
            watch.woken.set()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def wakes(woken: asyncio.Event, seconds: float) -> bool:
    """Whether the event is set within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await woken.wait()
    except TimeoutError:
        return False
