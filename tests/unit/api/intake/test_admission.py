"""A full queue and too many uploads are refused before the body is read, and nothing is half-created."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.http.errors import ApiError
from api.http.redis_threads import RedisThreads
from api.intake.admission import Admission
from tests.unit.api_service import WAV, Running, assert_error, serving, until
from worker.jobs.backlog import Backlog, QueueFull
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.local.upload import LocalUpload

pytestmark = pytest.mark.asyncio
ROUTE = "/v1/audio/transcriptions"
MINUTE = 60 * 16_000  # bytes that a file without a length counts as a minute


async def send_unread(running: Running) -> httpx.Response:
    """The answer to an upload of which nothing is taken in."""

    def refuse() -> LocalUpload:
        raise AssertionError("the body is taken in")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running.store, "receive", refuse)
        return await running.client.post("/v1/jobs", content=WAV, headers={"content-type": "audio/wav"})


def assert_full(response: httpx.Response, setting: str) -> None:
    assert setting in assert_error(response, 429, "queue_full")
    assert 1 <= int(response.headers["retry-after"]) <= 120  # beyond that the official SDK does not come back
    assert "x-should-retry" not in response.headers


async def submit(running: Running, content: bytes = WAV, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await running.client.post("/v1/jobs", files={"file": content}, headers=named)


async def test_a_full_queue_is_said_before_the_body_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path, max_queued_jobs=2) as running:
        assert [(await submit(running)).json()["position"] for _ in range(2)] == [0, 1]
        before = running.leftovers()
        refused = await send_unread(running)
        assert_full(refused, "WHISPER_MAX_QUEUED_JOBS")
        assert running.leftovers() == before
        running.redis.rpop("rq:queue:batch")  # a slot takes one
        assert (await submit(running)).status_code == 202


async def test_a_full_queue_of_jobs_leaves_waiting_clients_their_own(tmp_path: Path) -> None:
    async with serving(tmp_path, max_queued_jobs=1) as running:
        await submit(running)
        running.then(running.finish)
        answer = await running.client.post(ROUTE, data={"model": "base"}, files={"file": WAV})
        assert answer.status_code == 200


async def test_the_repeat_of_a_job_is_answered_by_a_full_queue_too(tmp_path: Path) -> None:
    async with serving(tmp_path, max_queued_jobs=1) as running:
        first = await submit(running, idempotency_key="k")
        again = await submit(running, idempotency_key="k")
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


async def test_uploads_under_way_count_as_jobs_to_come(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield WAV
        await go_on.wait()

    async with serving(tmp_path, max_queued_jobs=1) as running:
        headers = {"content-type": "audio/wav"}
        first = asyncio.create_task(running.client.post("/v1/jobs", content=slowly(), headers=headers))
        await until(lambda: list((tmp_path / "incoming").iterdir()))
        assert_full(await submit(running), "WHISPER_MAX_QUEUED_JOBS")
        go_on.set()
        assert (await first).status_code == 202


async def test_the_hours_that_wait_are_limited(tmp_path: Path) -> None:
    async with serving(tmp_path, max_queued_hours=3 / 60, timing=Timing(backlog=0.001)) as running:
        assert (await submit(running, bytes(2 * MINUTE))).status_code == 202
        before = running.leftovers()
        assert_full(await submit(running, bytes(2 * MINUTE)), "WHISPER_MAX_QUEUED_HOURS")
        assert running.leftovers() == before
        assert (await submit(running, bytes(MINUTE))).status_code == 202
        refused = await send_unread(running)
        assert_full(refused, "WHISPER_MAX_QUEUED_HOURS")
        running.redis.delete("rq:queue:batch")  # slots have taken them
        assert (await submit(running, bytes(2 * MINUTE))).status_code == 202


async def test_one_recording_fits_into_an_empty_queue_however_long_it_is(tmp_path: Path) -> None:
    async with serving(tmp_path, max_queued_hours=0.5 / 60) as running:
        assert (await submit(running, bytes(MINUTE))).status_code == 202


async def test_the_hours_are_known_again_after_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path, max_queued_hours=3 / 60) as running:
        await submit(running, bytes(2 * MINUTE))
        fresh = Backlog(running.store, JobQueue(running.redis), max_jobs=9, max_hours=1.5 / 60)
        with pytest.raises(QueueFull, match="hours of audio"):
            fresh.check("batch", "local", 1, 1)


async def test_a_job_that_did_not_come_to_be_does_not_count(tmp_path: Path) -> None:
    async with serving(tmp_path, max_queued_hours=1.5 / 60) as running:
        await submit(running)
        original = JobQueue.enqueue

        def fail(*args: Any) -> None:
            raise OSError("no")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(JobQueue, "enqueue", fail)
            assert (await submit(running, bytes(MINUTE))).status_code == 500
        assert JobQueue.enqueue is original
        assert (await submit(running, bytes(MINUTE))).status_code == 202


class Roomy(Backlog):
    def __init__(self) -> None:
        self.asked = 0

    def check(self, priority: Any, owner: str, coming: int, theirs: int) -> None:
        self.asked += 1


async def test_an_upload_waits_for_a_place_and_is_refused_when_none_gets_free() -> None:
    admission = Admission(Roomy(), max_uploads=1, redis_threads=RedisThreads(), timing=Timing(place=0.05))
    async with admission.place("batch", "ann"):
        with pytest.raises(ApiError, match="WHISPER_MAX_UPLOADS") as caught:
            async with admission.place("batch", "ann"):
                raise AssertionError
        assert (caught.value.status, caught.value.headers) == (429, {"retry-after": "5"})
    admission = Admission(Roomy(), max_uploads=1, redis_threads=RedisThreads())
    got: list[int] = []

    async def come(number: int) -> None:
        async with admission.place("batch", "ann"):
            got.append(number)

    async with admission.place("batch", "ann"):
        others = [asyncio.create_task(come(number)) for number in range(3)]
        await asyncio.sleep(0)
        assert got == []
    await asyncio.gather(*others)
    assert got == [0, 1, 2]


async def test_redis_away_refuses_before_the_body_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.redis_server.connected = False
        refused = await send_unread(running)
        assert_error(refused, 503, "redis_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert running.leftovers() == []
