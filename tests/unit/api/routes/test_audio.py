"""OpenAI's audio routes, with the worker played by the test."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api.state import AppState
from tests.unit.api.intake.test_uploads import form, post_scope
from tests.unit.api_service import WAV, Running, assert_error, make_transcript, serving, until
from worker.runtime.timing import Timing

pytestmark = pytest.mark.asyncio
TRANSCRIPTIONS = "/v1/audio/transcriptions"


async def send(
    running: Running, path: str = TRANSCRIPTIONS, headers: dict[str, str] | None = None, **fields: Any
) -> Any:
    data = {"model": "whisper-1", **fields}
    return await running.client.post(path, data=data, files={"file": ("a.wav", WAV)}, headers=headers)


async def test_every_format(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        bodies = {}
        for response_format in ("json", "text", "srt", "vtt", "verbose_json"):
            running.then(running.finish)
            response = await send(running, response_format=response_format)
            assert response.status_code == 200
            bodies[response_format] = (response.headers["content-type"], response.text)
        assert bodies["json"] == (
            "application/json",
            '{"text":"Hello there. Bye now.","languages":[{"code":"en"}],"usage":{"type":"duration","seconds":9}}',
        )  # fmt: skip
        assert bodies["text"] == ("text/plain; charset=utf-8", "Hello there. Bye now.\n")
        assert bodies["srt"][0].startswith("application/x-subrip")
        assert bodies["srt"][1].startswith("1\n00:00:00,000 --> 00:00:03,320\nHello there.\n")
        assert bodies["vtt"][1].startswith("WEBVTT\n\n00:00:00.000 --> ")
        assert '"segments":[{"id":0,' in bodies["verbose_json"][1]
        requests = [running.store.request(job_id) for job_id in running.job_ids()]
        assert {(request.kind, request.priority) for request in requests} == {("sync", "interactive")}


async def test_granularities_reach_the_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.then(running.finish)
        fields: dict[str, Any] = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
        answer = (await send(running, **fields)).json()
        assert [word["word"] for word in answer["words"]] == ["Hello", "there.", "Bye", "now."]
        assert len(answer["segments"]) == 2


async def test_a_translation(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.then(lambda job_id: running.finish(job_id, make_transcript(task="translate", language="de")))
        response = await send(running, "/v1/audio/translations")
        assert response.json() == {"text": "Hello there. Bye now."}
        assert running.store.request(running.job_ids()[0]).options.task == "translate"


async def test_a_model_that_cannot_translate_is_not_let_try(tmp_path: Path) -> None:
    async with serving(tmp_path, model="turbo", models=("small",)) as running:
        message = assert_error(await send(running, "/v1/audio/translations"), 400, "unsupported_parameter", "model")
        assert "'small'" in message
        refused = await send(running, "/v1/jobs", task="translate", model="turbo")
        assert_error(refused, 400, "unsupported_parameter", "model")
        assert (await send(running, "/v1/jobs", task="translate", model="small")).status_code == 202


async def test_once_answered_the_recording_is_gone(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.then(running.finish)
        assert (await send(running)).status_code == 200
        running.then(lambda job_id: running.fail(job_id, "unsupported_media"))
        assert (await send(running)).status_code == 400
        for job_id in running.job_ids():
            assert not running.store.source(job_id).exists()
            assert running.store.answered_at(job_id)


@pytest.mark.parametrize(
    ("code", "status", "param"),
    [("empty_audio", 400, "file"), ("unsupported_media", 400, "file"), ("no_audio_stream", 422, "file"),
     ("audio_too_long", 413, "file"), ("worker_crashed", 500, None), ("server_error", 500, None)],
)  # fmt: skip
async def test_a_failed_job_is_an_error_that_is_not_worth_a_retry(
    tmp_path: Path, code: str, status: int, param: str | None
) -> None:
    async with serving(tmp_path) as running:
        running.then(lambda job_id: running.fail(job_id, code, "Send something else."))
        response = await send(running)
        assert assert_error(response, status, code, param) == "Send something else."
        assert response.headers["x-should-retry"] == "false"


async def test_a_bad_request_never_becomes_a_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        assert_error(await send(running, model="huge"), 404, "model_not_found", "model")
        assert running.leftovers() == []


async def test_past_the_time_limit_the_job_is_named_and_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path, sync_timeout=0.05) as running:
        response = await send(running)
        (job_id,) = running.job_ids()
        message = assert_error(response, 504, "sync_timeout")
        assert f"/v1/jobs/{job_id}/transcript" in message
        assert response.headers["x-should-retry"] == "false"
        assert running.store.source(job_id).exists()
        running.finish(job_id)
        fetched = await running.client.get(f"/v1/jobs/{job_id}/transcript")
        assert fetched.json()["text"] == "Hello there. Bye now."
        assert not running.store.source(job_id).exists()  # answered now


async def test_a_stopping_server_names_the_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.then(lambda job_id: running.service.waiters.close())
        response = await send(running)
        assert running.job_ids()[0] in assert_error(response, 503, "shutting_down")
        assert "x-should-retry" not in response.headers


async def test_a_job_canceled_by_somebody_ends_the_call(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.then(running.service.jobs.cancel)
        assert_error(await send(running), 409, "canceled")


async def test_a_job_deleted_by_somebody_ends_the_call(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        running.then(lambda job_id: running.service.jobs.delete(running.store.request(job_id)))
        assert "deleted" in assert_error(await send(running), 409, "canceled")


async def test_prefer_async_makes_it_a_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        headers = {"prefer": "wait=5, respond-async"}
        response = await send(running, response_format="srt", headers=headers)
        job = response.json()
        assert (response.status_code, job["status"], job["priority"]) == (202, "queued", "batch")
        assert response.headers["location"] == f"/v1/jobs/{job['id']}"
        assert response.headers["preference-applied"] == "respond-async"
        request = running.store.request(job["id"])
        assert (request.kind, request.response_format, request.options.words) == ("job", "srt", True)


async def test_a_client_that_leaves_takes_its_job_with_it(tmp_path: Path) -> None:
    async with serving(tmp_path, timing=Timing(abandon=0.01)) as running:
        await hang_up(running)
        (job_id,) = running.job_ids()
        await until(lambda: running.store.outcome(job_id) and running.store.answered_at(job_id))
        outcome = running.store.outcome(job_id)
        assert outcome is not None
        assert outcome.state == "canceled"
        assert not running.store.source(job_id).exists()
        assert running.redis.llen("rq:queue:interactive") == 0


async def hang_up(running: Running) -> None:
    """Sends a recording and closes the connection while the answer is waited for."""
    body, headers = form(WAV)
    boundary = headers["content-type"].partition("boundary=")[2]
    model = f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'.encode()
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: list[Any] = []

    async def send_nothing(message: Any) -> None:
        sent.append(message)

    await messages.put({"type": "http.request", "body": model + body, "more_body": False})
    call = asyncio.create_task(running.app(post_scope(TRANSCRIPTIONS, headers), messages.get, send_nothing))
    await until(running.job_ids)
    await messages.put({"type": "http.disconnect"})
    await asyncio.wait_for(call, 5)
    assert sent == []


async def test_the_service_is_no_global(tmp_path: Path) -> None:
    async with serving(tmp_path / "a") as one, serving(tmp_path / "b") as two:
        assert isinstance(one.service, AppState)
        assert one.service is not two.service
