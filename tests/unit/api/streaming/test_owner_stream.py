"""One stream for all of an owner's jobs: nothing is missed, nothing is another's, and it goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.streaming import owner_stream
from api.streaming.owner_stream import OwnerEvent, watch_jobs
from tests.unit.api_service import Running, make_segment, serving, until
from worker.queue import events
from worker.queue.events import FEED, Events
from worker.runtime.timing import Timing

pytestmark = pytest.mark.asyncio
DEADLINE = 30.0  # seconds
QUICK = Timing(positions=0.05)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_stream, "GATHERING", 0.01)
    monkeypatch.setattr(owner_stream, "REDIS_PAUSE", 0.01)
    monkeypatch.setattr(events, "PAUSE", 0.01)


class Reader:
    """The events so far, and whoever waits for more of them."""

    def __init__(self, events: AsyncIterator[OwnerEvent | None]) -> None:
        self._events = events
        self.had: list[OwnerEvent] = []
        self.pings = 0

    async def until(self, wanted: Callable[[OwnerEvent], bool]) -> OwnerEvent:
        async with asyncio.timeout(DEADLINE):
            async for event in self._events:
                if event is None:
                    self.pings += 1
                    continue
                self.had.append(event)
                if wanted(event):
                    return event
        raise AssertionError("the stream has ended")

    async def named(self, name: str) -> OwnerEvent:
        return await self.until(lambda event: event.name == name)

    async def state(self, job_id: str, state: str) -> OwnerEvent:
        return await self.until(
            lambda event: event.name == "job" and (event.data["id"], event.data["status"]) == (job_id, state)
        )


@asynccontextmanager
async def reading(running: Running, owner: str = "local", last: str | None = None) -> AsyncIterator[Reader]:
    await has_begun(running)
    events = watch_jobs(running.service, owner, last)
    try:
        yield Reader(events)
    finally:
        await events.aclose()  # type: ignore[attr-defined]  # an async generator


async def has_begun(running: Running) -> None:
    """The process follows the feed: its beginning counts as a gap."""
    with running.service.waiters.watching() as watch:
        while not watch.take().jobs:
            Events(running.redis).changed("job_of_nobody")
            await asyncio.sleep(0.005)


async def test_a_job_is_told_from_its_beginning_to_its_removal(tmp_path: Path) -> None:
    async with serving(tmp_path, timing=QUICK) as running, reading(running) as reader:
        await reader.named("")
        job = running.add_job()
        queued = await reader.state(job.id, "queued")
        assert queued.data == (await running.client.get(f"/v1/jobs/{job.id}")).json()
        assert (await reader.named("positions")).data == {"positions": {job.id: 0}}
        running.redis.delete("rq:queue:batch")
        Events(running.redis).started(job.id, 1.0)
        await reader.state(job.id, "started")
        Events(running.redis).window(job.id, 5.0, 10.0, [make_segment(0, 0.0, 1.0, " Hello.")])
        progress = await reader.named("progress")
        assert (progress.data["id"], progress.data["progress"], progress.data["total_seconds"]) == (job.id, 0.5, 10.0)
        running.finish(job.id)
        finished = await reader.state(job.id, "finished")
        assert finished.data == (await running.client.get(f"/v1/jobs/{job.id}")).json()
        await running.client.delete(f"/v1/jobs/{job.id}")
        assert (await reader.named("deleted")).data == {"id": job.id}


async def test_nothing_of_others_is_told(tmp_path: Path) -> None:
    keys = {"ann": "sk-ann", "ben": "sk-ben"}
    async with serving(tmp_path, timing=QUICK, api_keys=keys) as running, reading(running, "ann") as reader:
        await reader.named("")
        other, mine = running.add_job(owner="ben"), running.add_job(owner="ann")
        await running.service.redis_threads.run(running.service.jobs.delete, other)
        await running.service.redis_threads.run(running.service.jobs.delete, mine)
        await reader.named("deleted")
        assert other.id not in repr(reader.had)


async def test_the_queue_moves(tmp_path: Path) -> None:
    async with serving(tmp_path, timing=QUICK) as running, reading(running) as reader:
        await reader.named("")
        first, second = running.add_job(), running.add_job()
        await reader.until(lambda event: event.name == "positions" and event.data["positions"].get(second.id) == 1)
        await running.client.post(f"/v1/jobs/{first.id}/cancel")
        moved = await reader.until(lambda event: event.name == "positions" and second.id in event.data["positions"])
        assert moved.data == {"positions": {second.id: 0}}


async def test_whoever_comes_back_hears_what_changed_meanwhile(tmp_path: Path) -> None:
    async with serving(tmp_path, timing=QUICK) as running:
        gone, done, waits = running.add_job(), running.add_job(), running.add_job()
        async with reading(running) as reader:
            last = (await reader.named("")).id
        running.finish(done.id)
        await running.client.delete(f"/v1/jobs/{gone.id}")
        async with reading(running, last=last) as reader:
            await reader.named("positions")
            told = {(event.name, event.data.get("id")): event.data for event in reader.had}
            assert told[("job", done.id)]["status"] == "finished"
            assert ("deleted", gone.id) in told
            assert ("job", waits.id) not in told
            # Only the last of what belongs together says that all of it was told.
            assert reader.had[0].id == last
            upto = reader.had[1].id
            assert upto != last
        async with reading(running, last=upto) as reader:
            new = running.add_job()
            assert (await reader.named("job")).data["id"] == new.id


@pytest.mark.parametrize("last", ["1-0", "99999999999999-0", "nonsense", "1" * 500])
async def test_where_something_may_be_missing_it_says_so(tmp_path: Path, last: str) -> None:
    async with serving(tmp_path, timing=QUICK) as running:
        running.add_job()
        async with reading(running, last=last) as reader:
            reset = await reader.until(lambda event: True)
            assert (reset.name, reset.data) == ("reset", {})
            new = running.add_job()  # and it goes on
            await reader.state(new.id, "queued")


@pytest.mark.parametrize("last", ["{}-99999999999999999999", "{}-\u0663"])
async def test_no_id_of_redis_begins_with_a_reset(tmp_path: Path, last: str) -> None:
    async with serving(tmp_path, timing=QUICK) as running:
        await has_begun(running)
        first = Events(running.redis).newest().partition("-")[0]
        running.add_job()
        async with reading(running, last=last.format(first)) as reader:
            assert (await reader.until(lambda event: True)).name == "reset"


async def test_a_job_that_cannot_be_shown_ends_no_stream(tmp_path: Path) -> None:
    """Of an earlier version, which took such metadata in."""
    async with serving(tmp_path, timing=QUICK) as running, reading(running) as reader:
        await reader.named("")
        odd = running.add_job()
        await reader.state(odd.id, "queued")
        record = running.store.root / "jobs" / odd.id / "job.json"
        record.write_text(record.read_text().replace('"metadata": {}', '"metadata": {"a": NaN}'))
        running.finish(odd.id)
        job = running.add_job()
        await reader.state(job.id, "queued")
        assert all(event.data.get("status") != "finished" for event in reader.had)


async def test_a_feed_that_was_cut_is_a_gap(tmp_path: Path) -> None:
    async with serving(tmp_path, timing=QUICK) as running:
        running.add_job()
        async with reading(running) as reader:
            last = (await reader.named("")).id
        for _ in range(3):
            running.add_job()
        running.redis.xtrim(FEED, maxlen=1, approximate=False)
        async with reading(running, last=last) as reader:
            assert (await reader.until(lambda event: True)).name == "reset"


@pytest.mark.fault(7)
async def test_redis_may_go_and_come_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path, timing=QUICK) as running, reading(running) as reader:
        await reader.named("")
        job = running.add_job()
        await reader.state(job.id, "queued")
        running.redis_server.connected = False
        reset = asyncio.ensure_future(reader.named("reset"))
        await until(lambda: "The feed is interrupted" in caplog.text)
        running.redis_server.connected = True
        await reset
        running.finish(job.id)
        await reader.state(job.id, "finished")


async def test_silence_is_broken(tmp_path: Path) -> None:
    async with serving(tmp_path, timing=Timing(ping=0.02)) as running, reading(running) as reader:
        await reader.named("")
        waiting = asyncio.ensure_future(reader.named("job"))
        while reader.pings < 2:
            await asyncio.sleep(0.01)
        running.add_job()
        await waiting
