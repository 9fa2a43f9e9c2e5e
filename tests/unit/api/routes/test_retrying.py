"""A job once more: under its id if nothing is asked for, else a new job of the same recording."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from engines.base import DecodeOptions, Listening
from tests.unit.api_service import WAV, Running, assert_error, serving
from worker.store.records import JobRequest, Layout, Webhook, new_job_id
from worker.webhooks.outbox import Attempt, Outbox

pytestmark = pytest.mark.asyncio


async def retry(running: Running, job: JobRequest, key: str | None = None, **query: str) -> Any:
    headers = {"idempotency-key": key} if key else {}
    return await running.client.post(f"/v1/jobs/{job.id}/retry", params=query, headers=headers)


async def test_a_failed_or_canceled_job_runs_again_under_its_id(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        failed, canceled = running.add_job(), running.add_job()
        running.fail(failed.id, "worker_crashed")
        running.service.jobs.cancel(canceled.id)
        running.redis.delete("rq:queue:batch")  # a slot had taken the one that failed
        for job in (failed, canceled):
            response = await retry(running, job)
            assert (response.status_code, response.json().get("id")) == (202, job.id), response.text
            assert (response.json()["status"], response.json()["error"]) == ("queued", None)
        assert len(running.job_ids()) == 2


async def test_what_cannot_run_again_says_why(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job = running.add_job()
        assert_error(await retry(running, job), 409, "job_not_finished", "id")
        running.fail(job.id, "worker_crashed")
        running.store.drop_source(job.id)
        assert_error(await retry(running, job), 410, "audio_deleted", "id")
        assert_error(await retry(running, job, language="de"), 410, "audio_deleted", "id")
        assert_error(await retry(running, running.add_job(owner="ben")), 404, "job_not_found", "id")
        gone = await running.client.post(f"/v1/jobs/{new_job_id()}/retry")
        assert_error(gone, 404, "job_not_found", "id")
        assert len(running.job_ids()) == 2
        assert list((tmp_path / "incoming").iterdir()) == []


async def test_with_options_it_is_a_new_job_of_the_same_recording(tmp_path: Path) -> None:
    options = DecodeOptions(
        language="en",
        words=True,
        prompt="Kubernetes",
        hotwords="RQ, Redis",
        temperature=0.4,
        languages=("en", "de"),
        multilingual=True,
        logprobs=True,
        listening=Listening(track=2, voice_activity=False, threshold=0.6, silence_duration=0.7),
    )
    changes: dict[str, Any] = {
        "options": options,
        "response_format": "verbose_json",
        "granularities": ("segment", "word"),
        "metadata": {"n": [1, "ü"]},
        "webhook": Webhook("https://example.com/hook", {"x-key": "1"}, ("text",)),
        "layout": Layout(max_line_width=32, paragraphs=True),
        "filename": "Größe.wav",
        "declared_seconds": 1.0,
    }
    async with serving(tmp_path) as running:
        old = running.add_job(**changes)
        running.finish(old.id)
        response = await retry(running, old, language="de", priority="interactive")
        assert response.status_code == 202, response.text
        new = running.store.request(response.json()["id"])
        assert new.id != old.id
        assert new.options == DecodeOptions(**{**_fields(options), "language": "de"})
        for name in ("response_format", "granularities", "metadata", "webhook", "layout", "filename", "owner", "size"):
            assert getattr(new, name) == getattr(old, name), name
        assert (new.priority, new.model) == ("interactive", "base")
        running.service.jobs.delete(old)  # the new one keeps the recording
        assert running.store.source(new.id).read_bytes() == WAV


def _fields(options: DecodeOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in options.__dataclass_fields__}


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"language": "de", "vad_filter": "false", "keywords[]": ["RQ", "Redis"]}},
        {"files": {"language": (None, "de"), "vad_filter": (None, "0"), "keywords": (None, "RQ,Redis")}},
        {"json": {"language": "de", "vad_filter": False, "keywords": ["RQ", "Redis"], "prompt": None}},
    ],
    ids=["urlencoded", "multipart", "json"],
)  # fmt: skip
async def test_options_may_be_the_body(tmp_path: Path, body: dict[str, Any]) -> None:
    async with serving(tmp_path) as running:
        old = running.add_job()
        running.finish(old.id)
        answer = await running.client.post(f"/v1/jobs/{old.id}/retry", **body)
        assert answer.status_code == 202, answer.text
        options = running.store.request(answer.json()["id"]).options
        assert (options.language, options.listening.voice_activity, options.hotwords) == ("de", False, "RQ, Redis")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"json": ["de"]}, 400, "invalid_value"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "invalid_value"),
        ({"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, 400, "invalid_value"),
        ({"content": b"de", "headers": {"content-type": "text/plain"}}, 400, "invalid_content_type"),
        ({"content": bytes(300_000), "headers": {"content-type": "application/json"}}, 400, "field_too_large"),
        ({"files": {"file": ("a.wav", WAV)}}, 400, "unsupported_parameter"),
        ({"json": {"language": "Klingon"}}, 400, "invalid_value"),
    ],
)
async def test_a_body_that_says_nothing_is_refused(
    tmp_path: Path, body: dict[str, Any], status: int, code: str
) -> None:
    async with serving(tmp_path) as running:
        old = running.add_job()
        running.finish(old.id)
        answer = await running.client.post(f"/v1/jobs/{old.id}/retry", **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert len(running.job_ids()) == 1


async def test_an_empty_body_is_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        failed = running.add_job()
        running.fail(failed.id, "worker_crashed")
        running.redis.delete("rq:queue:batch")  # a slot had taken it
        answer = await running.client.post(f"/v1/jobs/{failed.id}/retry", json={})
        assert answer.json()["id"] == failed.id


async def test_a_finished_job_runs_again_as_a_new_one(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        old = running.add_job(is_default_model=True)
        running.finish(old.id)
        new = running.store.request((await retry(running, old)).json()["id"])
        assert new.id != old.id
        assert (new.is_default_model, new.options, new.kind) == (True, old.options, "job")
        assert running.service.jobs.view(old)["status"] == "finished"


async def test_other_options_may_rule_out_earlier_ones(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        old = running.add_job(response_format="verbose_json", granularities=("segment", "word"))
        running.finish(old.id)
        changed = await retry(running, old, response_format="srt")
        assert running.store.request(changed.json()["id"]).response_format == "srt"
        translated = await retry(running, old, task="translate")
        assert running.store.request(translated.json()["id"]).options.task == "translate"
        hotwords = running.add_job(options=DecodeOptions(words=True, hotwords="Redis"))
        renamed = await retry(running, hotwords, **{"keywords[]": "RQ"})
        assert running.store.request(renamed.json()["id"]).options.hotwords == "RQ"
        assert_error(await retry(running, old, language="Klingon"), 400, "invalid_value", "language")
        assert_error(await retry(running, old, model="huge"), 404, "model_not_found", "model")
        assert list((tmp_path / "incoming").iterdir()) == []


async def test_the_same_key_is_the_same_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        old = running.add_job()
        running.finish(old.id)
        first, again = await retry(running, old, "k", language="de"), await retry(running, old, "k", language="de")
        assert first.json()["id"] == again.json()["id"] != old.id
        assert_error(await retry(running, old, "k", language="fr"), 422, "idempotency_key_reused", "Idempotency-Key")
        assert len(running.job_ids()) == 2


async def test_what_the_server_is(tmp_path: Path) -> None:
    async with serving(tmp_path, models=("small",), max_upload_mb=2) as running:
        info = (await running.client.get("/v1/info")).json()
        assert (info["name"], info["needs_key"], info["default_model"]) == ("whisper-native", False, "base")
        assert info["models"] == ["base", "small"]
        assert {"docx", "srt", "verbose_json"} <= set(info["formats"])
        assert info["limits"]["max_upload_bytes"] == 2 * 1024 * 1024
        assert info["limits"]["max_audio_hours"] == 24.0
    async with serving(tmp_path, api_keys={"ann": "sk-ann"}) as running:
        assert (await running.client.get("/v1/info")).status_code == 401
        keyed = await running.client.get("/v1/info", headers={"authorization": "Bearer sk-ann"})
        assert keyed.json()["needs_key"] is True


@pytest.mark.fault(131)
async def test_the_receiver_of_a_job_that_runs_again_is_told_of_its_new_end(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        job, outbox = running.add_job(webhook=Webhook("http://127.0.0.1:1/")), Outbox(running.store)
        running.fail(job.id, "worker_crashed")
        outbox.record(job.id, Attempt(time.time(), 0.1, 200, None, "delivered"))
        running.redis.delete("rq:queue:batch")
        assert (await retry(running, job)).status_code == 202
        running.finish(job.id)
        delivery = outbox.delivery(job)
        assert delivery is not None
        assert (delivery.state, delivery.type) == ("pending", "transcription.completed")
        assert delivery.id == f"evt_{job.id[4:]}_2", "or it would take it for the first"
