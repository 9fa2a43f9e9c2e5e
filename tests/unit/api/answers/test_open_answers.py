"""No owner holds so many answers open that none are left for others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.unit.api_service import WAV, Running, assert_error, serving, until

pytestmark = [pytest.mark.asyncio, pytest.mark.fault(80)]

KEYS = {"ann": "sk-ann-0123456789", "ben": "sk-ben-0123456789"}
ROUTE = "/v1/audio/transcriptions"


def as_owner(running: Running, name: str) -> httpx.AsyncClient:
    return running.caller(authorization=f"Bearer {KEYS[name]}")


def follow(client: httpx.AsyncClient, job_id: str) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.get(f"/v1/jobs/{job_id}/events"))


async def test_followers_of_one_key_leave_places_for_others(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys=KEYS, connections=4) as running, AsyncExitStack() as stack:
        ann, ben = [await stack.enter_async_context(as_owner(running, name)) for name in KEYS]
        jobs = {name: running.add_job(owner=name).id for name in KEYS}
        held = [follow(ann, jobs["ann"]) for _ in range(2)]
        places = running.service.open_answers._places
        await until(lambda: places.held("ann") == 2)
        for refused in (
            await ann.get(f"/v1/jobs/{jobs['ann']}/events"),
            await ann.get(f"/v1/jobs/{jobs['ann']}?wait=5"),
            await ann.post(ROUTE, files={"file": WAV}),
            await ann.post(ROUTE, files={"file": WAV}, data={"stream": "true"}),
        ):
            assert "2 of your requests" in assert_error(refused, 429, "too_many_connections")
            assert int(refused.headers["retry-after"]) > 0
        assert len(running.job_ids()) == 2, "what is refused leaves nothing"
        assert (await ann.get(f"/v1/jobs/{jobs['ann']}")).status_code == 200
        others = follow(ben, jobs["ben"])
        await until(lambda: places.held("ben") == 1)
        for job_id in jobs.values():
            running.finish(job_id)
        assert {answer.status_code for answer in await asyncio.gather(*held, others)} == {200}
        await until(lambda: not places.held("ann") and not places.held("ben"))


async def test_places_are_given_back_however_an_answer_ends(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys=KEYS, connections=4) as running, as_owner(running, "ann") as ann:
        places = running.service.open_answers._places
        job_id = running.add_job(owner="ann").id
        assert (await ann.get(f"/v1/jobs/{job_id}?wait=0.01")).status_code == 200
        assert (await ann.get(f"/v1/jobs/{job_id}/events?last_event_id=nonsense")).status_code == 400
        assert (await ann.post(ROUTE, files={"file": b""})).status_code == 400
        left = follow(ann, job_id)
        await until(lambda: places.held("ann") == 1)
        left.cancel()
        await until(lambda: places.held("ann") == 0)
        for form in ({}, {"stream": "true"}):
            running.then(running.finish)
            assert (await ann.post(ROUTE, files={"file": WAV}, data=form)).status_code == 200
        assert places.held("ann") == 0


async def test_an_only_owner_has_all(tmp_path: Path) -> None:
    async with serving(tmp_path, connections=3) as running:
        job_id = running.add_job().id
        held = [follow(running.client, job_id) for _ in range(3)]
        await until(lambda: running.service.open_answers._places.held("local") == 3)
        running.finish(job_id)
        assert {answer.status_code for answer in await asyncio.gather(*held)} == {200}
