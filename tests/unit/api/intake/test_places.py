"""No owner takes all places while others may want one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.http import refused_upload_drain
from api.intake.places import Places
from tests.unit.api_service import WAV, assert_error, serving, until
from worker.runtime.timing import Timing

pytestmark = [pytest.mark.asyncio, pytest.mark.fault(79)]


async def takes(places: Places, owner: str) -> bool:
    """Whether there is one at once."""
    try:
        async with asyncio.timeout(0):
            await places.take(owner)
    except TimeoutError:
        return False
    return True


async def test_one_owner_has_half_and_whoever_comes_later_finds_one() -> None:
    places = Places(64, is_shared=True)
    got = {name: sum([await takes(places, name) for _ in range(100)]) for name in ("ann", "ben", "cid", "dan")}
    assert got == {"ann": 32, "ben": 16, "cid": 8, "dan": 4}
    assert await takes(places, "eve")


async def test_an_only_owner_has_all() -> None:
    places = Places(5, is_shared=False)
    assert [await takes(places, "ann") for _ in range(6)] == [True] * 5 + [False]


async def test_a_place_that_is_given_back_goes_to_the_first_who_may_have_it() -> None:
    places = Places(2, is_shared=True)
    assert await takes(places, "ann")
    greedy, other = (asyncio.create_task(places.take(name)) for name in ("ann", "ben"))
    await asyncio.wait_for(other, 5)
    assert not greedy.done()
    places.release("ben")
    await asyncio.sleep(0)
    assert not greedy.done(), "half of two is one"
    places.release("ann")
    await asyncio.wait_for(greedy, 5)


async def test_no_place_is_lost_however_callers_leave() -> None:
    dice, places = random.Random(7), Places(8, is_shared=True)

    async def come(owner: str) -> None:
        async with asyncio.timeout(dice.random() / 50):
            await places.take(owner)
            try:
                await asyncio.sleep(dice.random() / 50)
            finally:
                places.release(owner)

    await asyncio.gather(*(come(dice.choice("abc")) for _ in range(500)), return_exceptions=True)
    assert [await takes(places, f"owner {number}") for number in range(9)] == [True] * 8 + [False]


async def test_slow_uploads_of_one_key_keep_no_other_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_upload_drain, "MAX_SECONDS", 0.05)
    keys = {"ann": "sk-ann-0123456789", "ben": "sk-ben-0123456789"}
    over = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield WAV
        await over.wait()

    async with (
        serving(tmp_path, api_keys=keys, max_uploads=8, timing=Timing(place=0.05)) as running,
        running.caller(authorization=f"Bearer {keys['ann']}") as ann,
    ):

        def send() -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(ann.post("/v1/jobs", content=slow(), headers={"content-type": "audio/wav"}))

        held = [send() for _ in range(4)]
        await until(lambda: len(list((running.store.root / "incoming").iterdir())) == 4)
        assert "4 of yours" in assert_error(await send(), 429, "too_many_uploads")
        async with running.caller(authorization=f"Bearer {keys['ben']}") as ben:
            assert (await ben.post("/v1/jobs", files={"file": WAV})).status_code == 202
        over.set()
        assert {answer.status_code for answer in await asyncio.gather(*held)} == {202}
