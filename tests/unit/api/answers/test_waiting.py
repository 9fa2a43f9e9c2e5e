"""Clients wait without polling, miss nothing, and take their job with them when they leave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from fakeredis import FakeRedis, FakeServer
from starlette.requests import ClientDisconnect

import worker.queue.events
from api.answers.waiting import Waiters
from tests.unit.api_service import WAV, make_request, until
from worker.queue.events import Events
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, LocalStore
from worker.store.records import Outcome

pytestmark = pytest.mark.asyncio


class CountingStore(LocalStore):
    """Counts the looks at outcomes."""

    looks = 0

    def outcome(self, job_id: str) -> Outcome | None:
        self.looks += 1
        return super().outcome(job_id)


@dataclass
class Room:
    """Waiters over a store, with the feed running."""

    store: CountingStore
    events: Events
    server: FakeServer
    waiters: Waiters
    given_up: list[str] = field(default_factory=list)

    def add_job(self) -> str:
        upload = self.store.receive()
        upload.write(WAV)
        upload.commit(make_request(upload.id, kind="sync"))
        return upload.id

    def end(self, job_id: str, *, tell: bool = True) -> None:
        assert self.store.finish(job_id, Outcome("finished"))
        if tell:
            self.events.state(job_id, "finished")

    async def waiting(self, job_id: str, timeout: float = 5.0) -> asyncio.Task[Outcome | None]:
        """A client that waits already: it has looked at the store once."""
        looks = self.store.looks
        task = asyncio.create_task(self.waiters.ended(job_id, timeout))
        await until(lambda: self.store.looks > looks)
        return task


@asynccontextmanager
async def room(tmp_path: Path, timing: Timing = Timing()) -> AsyncIterator[Room]:
    server = FakeServer()
    redis, store = FakeRedis(server=server), CountingStore(tmp_path)
    given_up: list[str] = []
    ready = threading.Event()

    class Ready(Waiters):
        def _on_gap(self) -> None:
            super()._on_gap()
            ready.set()

    async def give_up(job_id: str) -> None:
        given_up.append(job_id)

    waiters = Ready(store, redis, give_up, replace(timing, feed_block=0.01))
    waiters.start()
    assert await asyncio.to_thread(ready.wait, 60)  # it looks at everything once as it begins
    try:
        yield Room(store, Events(redis), server, waiters, given_up)
    finally:
        await waiters.stop()


async def test_the_end_wakes_every_waiter_of_the_job_and_no_other(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        mine, other = here.add_job(), here.add_job()
        first, second, third = [await here.waiting(job_id) for job_id in (mine, mine, other)]
        looks = here.store.looks
        here.events.state(mine, "started")
        here.end(mine)
        assert [outcome and outcome.state for outcome in await asyncio.gather(first, second)] == ["finished"] * 2
        assert here.store.looks == looks + 2  # one look each: nobody polls, `started` wakes nobody
        assert not third.done()
        third.cancel()


async def test_a_job_that_has_ended_answers_at_once(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        job_id = here.add_job()
        here.end(job_id, tell=False)
        outcome = await here.waiters.ended(job_id, 5)
        assert outcome is not None
        assert outcome.state == "finished"


async def test_time_runs_out(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        assert await here.waiters.ended(here.add_job(), 0.02) is None


async def test_an_end_missed_while_redis_was_away_is_found_after_it(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        job_id = here.add_job()
        waiting = await here.waiting(job_id)
        noticed = threading.Event()
        with (
            patch.object(worker.queue.events, "PAUSE", 0.01),
            patch.object(worker.queue.events.log, "warning", lambda *_: noticed.set()),
        ):
            here.server.connected = False
            await until(noticed.is_set)
            here.end(job_id, tell=False)
            here.server.connected = True
            assert await waiting is not None


async def test_being_woken_for_nothing_costs_one_look(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        waiting = await here.waiting(here.add_job())
        looks = here.store.looks
        here.waiters._on_gap()  # as after Redis was away
        await until(lambda: here.store.looks > looks)
        await (await here.waiting(here.add_job(), timeout=0.02))  # time for more looks, and one of its own
        assert here.store.looks == looks + 2
        waiting.cancel()


async def test_a_deleted_job_is_no_longer_waited_for(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        job_id = here.add_job()
        waiting = await here.waiting(job_id)
        here.store.delete(job_id)
        here.events.state(job_id, "canceled")
        with pytest.raises(JobNotFound):
            await waiting


async def test_closing_sends_everyone_away(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        waiting = await here.waiting(here.add_job())
        here.waiters.close()
        assert await asyncio.wait_for(waiting, 5) is None
        assert await here.waiters.ended(here.add_job(), 5) is None


async def leave(here: Room, job_id: str) -> None:
    """A client on an OpenAI route that hangs up."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        await here.waiters.ended_while_here(job_id, 5, receive)


async def test_a_job_whose_client_left_is_given_up(tmp_path: Path) -> None:
    async with room(tmp_path, Timing(abandon=0.02)) as here:
        job_id = here.add_job()
        await leave(here, job_id)
        await until(lambda: here.given_up)
        assert here.given_up == [job_id]


async def test_a_job_somebody_else_waits_for_goes_on(tmp_path: Path) -> None:
    async with room(tmp_path, Timing(abandon=0.02)) as here:
        shared, dropped = here.add_job(), here.add_job()
        waiting = await here.waiting(shared)
        await leave(here, shared)
        await leave(here, dropped)  # its countdown begins after the other's would have
        await until(lambda: here.given_up)
        assert here.given_up == [dropped]
        here.end(shared)
        assert await waiting is not None


async def test_a_client_that_comes_back_in_time_keeps_the_job(tmp_path: Path) -> None:
    async with room(tmp_path, Timing(abandon=0.05)) as here:
        kept, dropped = here.add_job(), here.add_job()
        await leave(here, kept)
        back = asyncio.create_task(here.waiters.ended_while_here(kept, 5, asyncio.Event().wait))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await leave(here, dropped)
        await until(lambda: here.given_up)
        assert here.given_up == [dropped]
        here.end(kept)
        assert await back is not None


async def test_a_look_in_between_puts_the_end_off_but_does_not_call_it_off(tmp_path: Path) -> None:
    async with room(tmp_path, Timing(abandon=0.02)) as here:
        job_id = here.add_job()
        await leave(here, job_id)
        looking = await here.waiting(job_id, timeout=0.1)
        assert here.given_up == []
        assert await looking is None
        assert here.given_up == [], "its time runs from when the last has left"
        await until(lambda: here.given_up)
        assert here.given_up == [job_id]


async def test_a_client_that_stays_gets_the_end(tmp_path: Path) -> None:
    async with room(tmp_path) as here:
        job_id = here.add_job()
        never = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await never.wait()
            return {}

        looks = here.store.looks
        answer = asyncio.create_task(here.waiters.ended_while_here(job_id, 5, receive))
        await until(lambda: here.store.looks > looks)
        here.end(job_id)
        outcome = await answer
        assert outcome is not None
        assert here.given_up == []


async def test_a_job_goes_on_whose_client_was_told_where_to_find_it(tmp_path: Path) -> None:
    """Two clients of one job: the first left, the second was held as long as one may be."""
    async with room(tmp_path, Timing(abandon=0.02)) as here:
        shared, dropped = here.add_job(), here.add_job()
        stays = asyncio.create_task(here.waiters.ended_while_here(shared, 0.1, asyncio.Event().wait))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        here.waiters.abandon(shared)
        assert await stays is None
        await leave(here, shared)  # who comes later and leaves changes nothing
        await leave(here, dropped)
        await until(lambda: here.given_up)
        assert here.given_up == [dropped]


async def test_an_end_that_redis_would_not_take_is_found_all_the_same(tmp_path: Path) -> None:
    async with room(tmp_path, Timing(job_look=0.02)) as here:
        job_id = here.add_job()
        waiting = await here.waiting(job_id)
        here.end(job_id, tell=False)
        assert await waiting is not None
