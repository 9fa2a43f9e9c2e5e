"""The same request again is the same job: with an Idempotency-Key, and for waiting clients without one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from api.http.errors import ApiError
from api.intake.idempotency import MAX_KEY, fingerprint, read_key, repeated
from api.intake.parameters import Parameters
from engines.base import DecodeOptions
from tests.unit.api_service import WAV, Running, assert_error, serving, until
from worker.runtime.timing import Timing
from worker.store.idempotency import ClaimBusy, Claimed
from worker.store.records import Layout, Outcome, Webhook

pytestmark = pytest.mark.asyncio
ROUTE = "/v1/audio/transcriptions"


async def send(running: Running, key: str | None = "k1", content: bytes = WAV, **fields: str) -> httpx.Response:
    headers = {"idempotency-key": key} if key is not None else {}
    return await running.client.post("/v1/jobs", data=fields, files={"file": ("a.wav", content)}, headers=headers)


def ask(running: Running, key: str | None = None, content: bytes = WAV, **fields: str) -> asyncio.Task[httpx.Response]:
    """A client that waits for its transcript."""
    headers = {"idempotency-key": key} if key is not None else {}
    files, data = {"file": ("a.wav", content)}, {"model": "base", **fields}
    return asyncio.create_task(running.client.post(ROUTE, data=data, files=files, headers=headers))


@pytest.mark.parametrize(
    ("sent", "key"),
    [("8e03", "8e03"), ('"8e03"', "8e03"), (' "a b" ', "a b"), (r'"a\"b\\c"', 'a"b\\c'), ("'", "'")],
)
async def test_keys_come_quoted_or_bare(sent: str, key: str) -> None:
    assert read_key(Headers({"Idempotency-Key": sent})) == key


@pytest.mark.parametrize("sent", ["", '""', "  ", "x" * (MAX_KEY + 1)])
async def test_a_key_has_1_to_255_characters(sent: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_key(Headers({"Idempotency-Key": sent}))
    assert (caught.value.status, caught.value.param) == (400, "Idempotency-Key")
    assert read_key(Headers({"Idempotency-Key": "x" * MAX_KEY})) is not None


async def test_fingerprints_of_earlier_versions_stay_good() -> None:
    """A key that was sent to version 0.1 stands for the same request now."""
    plain = Parameters("base", "srt", ("segment",), DecodeOptions(words=True))
    earlier = fingerprint("0" * 64, plain, "job")
    assert earlier == "76c8c3c5adc8185e49b506c51cbdf830f0b3b81c21309c61dd78e1a8a30e6a03"
    assert fingerprint("0" * 64, replace(plain, layout=Layout(max_line_width=32)), "job") != earlier


async def test_the_same_key_and_body_is_the_same_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        first = await send(running, "k1", language="de")
        again = await send(running, '"k1"', language="de")
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json()["id"] == again.json()["id"]
        assert (await send(running, "k2", language="de")).json()["id"] != first.json()["id"]
        assert (await send(running, None, language="de")).json()["id"] != first.json()["id"]
        assert len(running.job_ids()) == 3
        assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize("other", [{"content": WAV + b"x"}, {"language": "de"}, {"metadata": '{"a": 1}'}])
async def test_the_same_key_with_another_body_is_refused(tmp_path: Path, other: Any) -> None:
    async with serving(tmp_path) as running:
        await send(running)
        refused = await send(running, **other)
        assert_error(refused, 422, "idempotency_key_reused", "Idempotency-Key")
        assert refused.headers["x-should-retry"] == "false"
        assert len(running.job_ids()) == 1


async def test_a_key_is_its_owners(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys={"anna": "a-key", "ben": "b-key"}) as running:
        ids = set()
        for key in ("a-key", "b-key"):
            async with running.caller(authorization=f"Bearer {key}", idempotency_key="k1") as client:
                ids.add((await client.post("/v1/jobs", files={"file": WAV})).json()["id"])
        assert len(ids) == 2


async def test_a_key_whose_first_upload_still_comes_in_is_in_use(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield WAV[:100]
        await go_on.wait()
        yield WAV[100:]

    async with serving(tmp_path) as running:
        headers = {"idempotency-key": "k1", "content-type": "audio/wav"}
        first = asyncio.create_task(running.client.post("/v1/jobs", content=slowly(), headers=headers))
        await until(lambda: list((tmp_path / "claims").iterdir()))
        refused = await running.client.post("/v1/jobs", content=WAV, headers=headers)
        assert_error(refused, 409, "idempotency_key_in_use", "Idempotency-Key")
        assert int(refused.headers["retry-after"]) > 0
        assert "x-should-retry" not in refused.headers
        go_on.set()
        made = await first
        again = await running.client.post("/v1/jobs", content=WAV, headers=headers)
        assert (made.status_code, again.status_code, again.json()["id"]) == (202, 202, made.json()["id"])


async def test_a_refused_request_does_not_use_its_key_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        assert_error(await send(running, language="xx"), 400, "invalid_value", "language")
        assert list((tmp_path / "claims").iterdir()) == []
        assert (await send(running, language="de")).status_code == 202


async def test_a_job_that_could_not_be_queued_leaves_its_key_free(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.redis_server.connected = False
        assert_error(await send(running), 503, "redis_unavailable")
        running.redis_server.connected = True
        assert list((tmp_path / "claims").iterdir()) == []
        assert (await send(running)).status_code == 202


async def test_a_key_ends_with_its_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        first = (await send(running)).json()["id"]
        await running.client.delete(f"/v1/jobs/{first}")
        assert (await send(running)).json()["id"] != first


async def test_a_key_survives_a_restart_and_the_loss_of_redis(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        first = (await send(running)).json()["id"]
    async with serving(tmp_path) as running:
        assert (await send(running)).json()["id"] == first


async def test_a_waiting_client_with_a_key_gets_its_answer_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.then(running.finish)
        first = await ask(running, "k1")
        again = await ask(running, "k1")
        assert (first.status_code, first.content) == (200, again.content)
        assert len(running.job_ids()) == 1


async def test_a_key_whose_client_left_starts_anew(tmp_path: Path) -> None:
    """The job was canceled for want of somebody who waits: that is no answer to the next try."""
    async with serving(tmp_path) as running:
        waiting = ask(running, "k1")
        job_id = (await until(running.job_ids))[0]
        running.service.jobs.give_up(job_id)
        await waiting
        running.then(running.finish)
        assert (await ask(running, "k1")).status_code == 200


async def test_a_job_is_not_given_up_while_its_client_sends_it_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        waiters = running.service.waiters
        ask(running, "k1")
        job_id = (await until(running.job_ids))[0]
        await until(lambda: job_id in waiters._waiting)
        waiters.abandon(job_id)
        left = next(iter(waiters._waiting[job_id]))
        arrives = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            await arrives.wait()
            yield b"not a form"

        headers = {"idempotency-key": "k1", "content-type": "multipart/form-data; boundary=x"}
        again = asyncio.create_task(running.client.post("/v1/audio/transcriptions", content=slowly(), headers=headers))
        await until(lambda: len(waiters._waiting[job_id]) == 2)
        waiters._leave(job_id, left)
        assert waiters._countdowns == {}, "it is held by the request that comes in"
        arrives.set()
        assert (await again).status_code == 400
        assert list(waiters._countdowns) == [job_id]


async def test_a_job_given_up_while_its_client_sent_it_again_is_asked_for_once_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        waiting = ask(running, "k1")
        job_id = (await until(running.job_ids))[0]
        request = running.store.request(job_id)
        claimed = Claimed(job_id, "the same")
        assert repeated(running.store, claimed, "the same") == request
        running.service.jobs.give_up(job_id)
        with pytest.raises(ApiError) as refused:
            repeated(running.store, claimed, "the same")
        assert refused.value.code == "idempotency_key_in_use"
        await waiting


async def test_what_ended_while_nobody_listened_is_the_answer_to_the_next_try(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        waiting = ask(running)
        job_id = (await until(running.job_ids))[0]
        waiting.cancel()
        running.finish(job_id)
        running.service.jobs.give_up(job_id)  # the half minute after the client left is over
        assert (await ask(running)).status_code == 200
        assert running.job_ids() == [job_id]


async def test_a_waiting_client_that_comes_again_joins_its_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        first = ask(running, language="de")
        job_id = (await until(running.job_ids))[0]
        again = ask(running, language="de")
        await until(lambda: len(running.service.waiters._waiting[job_id]) == 2)
        other = ask(running, language="en")
        await until(lambda: len(running.job_ids()) == 2)
        for each in running.job_ids():
            running.finish(each)
        answers = await asyncio.gather(first, again, other)
        assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_coming_again_saves_a_job_whose_client_had_left(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        ask(running)
        job_id = (await until(running.job_ids))[0]
        waiters = running.service.waiters
        await until(lambda: job_id in waiters._waiting)
        waiters.abandon(job_id)
        again = ask(running)
        await until(lambda: len(waiters._waiting[job_id]) == 2)
        assert (job_id in waiters._abandoned, waiters._countdowns) == (False, {})
        running.finish(job_id)
        assert (await again).status_code == 200


@pytest.mark.parametrize(
    ("age", "answered", "joins"), [(0, False, True), (Timing().repeatable + 1, False, False), (0, True, False)]
)
async def test_a_result_answers_the_same_request_until_somebody_had_it(
    tmp_path: Path, age: float, answered: bool, joins: bool
) -> None:
    async with serving(tmp_path) as running:
        asking = ask(running)
        job_id = (await until(running.job_ids))[0]
        running.service.waiters.close()  # sends the client away, as a server that stops does
        assert_error(await asking, 503, "shutting_down")
        running.service.waiters.is_closing = False
        running._end(job_id, Outcome("failed", ended_at=time.time() - age))
        if answered:
            running.store.mark_answered(job_id)
        again = ask(running)
        if joins:
            assert (await again).status_code == 500
            return
        await until(lambda: len(running.job_ids()) == 2)
        running.finish(running.job_ids()[0])
        assert (await again).status_code == 200


async def test_jobs_without_a_key_are_never_joined(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        await asyncio.gather(*(send(running, None) for _ in range(3)))
        assert len(running.job_ids()) == 3


async def test_another_owners_waiting_client_gets_its_own_job(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys={"anna": "a-key", "ben": "b-key"}) as running:
        for key in ("a-key", "b-key"):
            client = running.caller(authorization=f"Bearer {key}")
            running.tasks.add(asyncio.create_task(client.post(ROUTE, data={"model": "base"}, files={"file": WAV})))
        await until(lambda: len(running.job_ids()) == 2)
        for job_id in running.job_ids():
            running.finish(job_id)
        answers = await asyncio.gather(*running.tasks)
        assert [answer.status_code for answer in answers] == [200, 200]


async def test_the_keys_of_version_0_1_stay_good() -> None:
    """The number was made by that version; without it, clients would be refused for other parameters."""
    parameters = Parameters(
        "base",
        "verbose_json",
        ("segment", "word"),
        DecodeOptions(language="de", words=True),
        "interactive",
        {"meeting": 7},
        webhook=Webhook("https://example.com/hook", {"authorization": "x"}, ("text",), "http://localhost:9001"),
    )
    earlier = "45c85b9b98cabc9ca1611fddb0a0d5514dfd2dd0ee7d3b1ec969eda27dbfb479"
    assert fingerprint("ab" * 32, parameters, "job", is_earlier=True) == earlier
    assert fingerprint("ab" * 32, parameters, "job") != earlier


async def test_a_request_is_the_same_whichever_machine_it_is_sent_to(tmp_path: Path) -> None:
    """A client whose first answer was lost tries the next of several APIs, whose address is another."""
    hook = {"webhook_url": "https://8.8.8.8/hook"}
    async with serving(tmp_path) as running:
        first = await send(running, "k1", WAV, **hook)
        assert first.status_code == 202, first.text
        again = await running.client.post(
            "/v1/jobs",
            data=hook,
            files={"file": ("a.wav", WAV)},
            headers={"idempotency-key": "k1", "host": "127.0.0.2:9001"},
        )
        assert (again.status_code, again.json().get("id")) == (202, first.json()["id"]), again.text


@pytest.mark.parametrize("has_key", [True, False])
async def test_who_was_silent_so_long_that_its_key_went_makes_no_error_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_key: bool
) -> None:
    """Without a key the request is one like any other; with one, its next try finds out what the key stands for."""

    def lost(*arguments: Any) -> None:
        raise ClaimBusy("another has it")

    async with serving(tmp_path) as running:
        monkeypatch.setattr(running.service.jobs, "submit_claimed", lost)
        if has_key:
            assert_error(await send(running, "k1"), 409, "idempotency_key_in_use", "Idempotency-Key")
            assert running.job_ids() == []
            return
        answer = ask(running)
        await until(lambda: len(running.job_ids()) == 1)
        running.finish(running.job_ids()[0])
        assert (await answer).status_code == 200


@pytest.mark.parametrize("content", ["{", '{"format": 2}'])
async def test_a_key_whose_job_cannot_be_read_runs_nothing_twice(tmp_path: Path, content: str) -> None:
    async with serving(tmp_path) as running:
        job_id = (await send(running)).json()["id"]
        (tmp_path / "jobs" / job_id / "job.json").write_text(content)
        assert job_id in assert_error(await send(running), 500, "server_error", "id")
        assert running.job_ids() == [job_id]
