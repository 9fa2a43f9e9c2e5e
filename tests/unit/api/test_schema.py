"""Real answers are what the OpenAPI document says: every field that is sent is described, and nothing else is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakeredis import FakeRedis
from pydantic import ValidationError

from api.app import create_app
from api.schema.jobs import Job, WebhookMessage
from api.schema.responses import EVENTS, JSON, MODELS
from api.schema.transcripts import TranscriptVerbose
from engines.transcript import TranscriptWarning
from tests.unit.api.schema_of import check, conforms, name_of
from tests.unit.api_service import (
    WAV,
    Running,
    api_settings,
    make_request,
    make_transcript,
    serving,
    worker_settings,
)
from worker.queue.heartbeat import WorkerHeartbeat, announce
from worker.runtime.version import VERSION
from worker.store.job_store import LocalStore
from worker.store.records import JobError, Outcome, Webhook
from worker.webhooks.message import message
from worker.webhooks.outbox import Attempt, Outbox

HOOK = "http://8.8.8.8:5678/hook"
WARNED = make_transcript(warnings=(TranscriptWarning("truncated_input", "The file is cut off."),))
TRANSLATED = make_transcript(task="translate", language="de")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    store = LocalStore(tmp_path_factory.mktemp("store"))
    return create_app(api_settings(), worker_settings(), store=store, redis=FakeRedis()).openapi()


class Caller:
    """Sends requests and holds their answers to the document."""

    def __init__(self, running: Running, document: dict[str, Any]) -> None:
        self.running = running
        self._document = document

    async def get(self, path: str, job_id: str = "", **query: str) -> Any:
        return self._checked(path, await self.running.client.get(path.replace("{job_id}", job_id), params=query))

    async def post(self, path: str, job_id: str = "", **fields: str) -> Any:
        files = {} if job_id else {"file": ("m.wav", WAV)}
        url = path.replace("{job_id}", job_id)
        prefer = {"prefer": fields.pop("prefer")} if "prefer" in fields else {}
        return self._checked(path, await self.running.client.post(url, data=fields, files=files, headers=prefer))

    async def delete(self, path: str, job_id: str) -> Any:
        return self._checked(path, await self.running.client.delete(path.replace("{job_id}", job_id)))

    def _checked(self, path: str, response: httpx.Response) -> Any:
        return check(self._document, path, response)


@asynccontextmanager
async def calling(tmp_path: Path, document: dict[str, Any]) -> AsyncIterator[Caller]:
    async with serving(tmp_path) as running:
        yield Caller(running, document)


@pytest.mark.asyncio
async def test_a_job_in_all_its_states(tmp_path: Path, document: dict[str, Any]) -> None:
    async with calling(tmp_path, document) as call:
        fields = {"language": "de", "metadata": '{"n": [1.5, null]}', "webhook_url": HOOK, "webhook_include": "text"}
        running = call.running
        job_id = (await call.post("/v1/jobs", **fields))["id"]
        assert (await call.get("/v1/jobs/{job_id}", job_id))["position"] == 0
        running.service.events.started(job_id, 1_700_000_000.5)
        running.service.events.window(job_id, 4.0, 8.47, make_transcript().segments[:1])
        await call.get("/v1/jobs/{job_id}", job_id)
        running.finish(job_id, started_at=1_700_000_000.5)
        assert (await call.get("/v1/jobs/{job_id}", job_id))["status"] == "finished"
        other = (await call.post("/v1/jobs"))["id"]
        assert (await call.post("/v1/jobs/{job_id}/cancel", other))["status"] == "canceled"
        failed = (await call.post("/v1/jobs"))["id"]
        running.fail(failed, "empty_audio")
        assert (await call.get("/v1/jobs/{job_id}", failed))["error"]["code"] == "empty_audio"
        running.redis.delete("rq:queue:batch")
        assert (await call.post("/v1/jobs/{job_id}/retry", failed))["status"] == "queued"
        assert len((await call.get("/v1/jobs", limit="2"))["data"]) == 2
        assert (await call.get("/v1/jobs", after=job_id))["last_id"] is None
        await call.delete("/v1/jobs/{job_id}", other)


@pytest.mark.parametrize("task", ["transcribe", "translate"])
@pytest.mark.parametrize(
    "wanted", [{}, {"format": "json"}, {"format": "json", "segments": "true"}, {"timestamp_granularities": "segment"}]
)
@pytest.mark.asyncio
async def test_a_transcript(tmp_path: Path, document: dict[str, Any], task: str, wanted: dict[str, str]) -> None:
    async with calling(tmp_path, document) as call:
        job_id = (await call.post("/v1/jobs", response_format="verbose_json", task=task))["id"]
        call.running.finish(job_id, WARNED if task == "transcribe" else TRANSLATED)
        await call.get("/v1/jobs/{job_id}/transcript", job_id, **wanted)


@pytest.mark.asyncio
async def test_openais_routes(tmp_path: Path, document: dict[str, Any]) -> None:
    path = "/v1/audio/transcriptions"
    async with calling(tmp_path, document) as call:
        call.running.then(call.running.finish)
        granularities = {"timestamp_granularities[]": "word"}
        answer = await call.post(path, model="base", response_format="verbose_json", **granularities)
        assert {"words", "usage"} <= set(answer)
        call.running.then(lambda job_id: call.running.finish(job_id, TRANSLATED))
        assert set(await call.post("/v1/audio/translations", model="base", prompt="x")) == {"text"}
        assert (await call.post(path, model="base", prefer="respond-async"))["object"] == "transcription.job"


@pytest.mark.asyncio
async def test_streams(tmp_path: Path, document: dict[str, Any]) -> None:
    async with calling(tmp_path, document) as call:
        running = call.running
        running.then(running.finish)
        events = await call.post("/v1/audio/transcriptions", model="base", stream="true")
        assert [event["type"] for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
        running.then(lambda job_id: running.fail(job_id, "empty_audio"))
        [error] = await call.post("/v1/audio/transcriptions", model="base", stream="true", prompt="x")
        assert error["error"]["code"] == "empty_audio"
        job = running.add_job()
        running.service.events.started(job.id, 1_700_000_000.5)
        running.service.events.window(job.id, 4.0, 8.47, make_transcript().segments[:1])
        running.finish(job.id)
        assert len(await call.get("/v1/jobs/{job_id}/events", job.id)) >= 4


@pytest.mark.asyncio
async def test_webhook_messages(tmp_path: Path, document: dict[str, Any]) -> None:
    async with calling(tmp_path, document) as call:
        store = call.running.store
        job = call.running.add_job(webhook=Webhook(HOOK))
        assert (await call.get("/v1/jobs/{job_id}/deliveries", job.id))["data"] == []
        call.running.finish(job.id)
        Outbox(store).record(job.id, Attempt(1_700_000_000.5, 0.25, None, "no answer", "pending", 1_700_000_001.5))
        Outbox(store).record(job.id, Attempt(1_700_000_001.5, 0.25, 500, None, "exhausted", None))
        [delivery] = (await call.get("/v1/jobs/{job_id}/deliveries", job.id))["data"]
        assert delivery["status"] == "exhausted"
        assert (await call.post("/v1/jobs/{job_id}/redeliver", job.id))["status"] == "pending"


def messages() -> Iterator[bytes]:
    for include in ((), ("text", "segments")):
        request = make_request("job_x", webhook=Webhook(HOOK, include=include))
        yield message(request, Outcome("finished", duration=8.47), make_transcript(), None)
        yield message(request, Outcome("failed", error=JobError("empty_audio", "It is empty.")), None, None)
        yield message(request, Outcome("canceled"), None, "https://example.com")


@pytest.mark.parametrize("body", list(messages()))
def test_what_a_webhook_sends(document: dict[str, Any], body: bytes) -> None:
    sent = document["webhooks"]["job_ended"]["post"]["requestBody"]["content"][JSON]["schema"]
    assert sent == {"$ref": "#/components/schemas/WebhookMessage"}
    conforms(WebhookMessage, body)


@pytest.mark.asyncio
async def test_models_health_and_errors(tmp_path: Path, document: dict[str, Any]) -> None:
    async with calling(tmp_path, document) as call:
        await call.get("/v1/models")
        await call.get("/v1/info")
        for name in ("base", "huge"):
            check(document, "/v1/models/{model}", await call.running.client.get(f"/v1/models/{name}"))
        await call.get("/health")
        assert (await call.get("/health/ready"))["status"] == "unavailable"
        announce(call.running.redis, WorkerHeartbeat("w1", "ready", "base", loaded="base"))
        assert (await call.get("/health/ready"))["status"] == "ready"
        await call.get("/v1/jobs/{job_id}", "job_x")


def test_the_test_sees_a_field_too_many_one_too_few_and_another_type() -> None:
    job = {**json.loads(next(messages()))["data"]}
    job.pop("text")
    for name, value in (("colour", "red"), ("attempts", "1"), ("id", None)):
        with pytest.raises(ValidationError):
            conforms(Job, json.dumps({**job, name: value}))
    with pytest.raises(ValidationError):
        conforms(Job, json.dumps({name: value for name, value in job.items() if name != "urls"}))


def test_every_answer_has_a_schema(document: dict[str, Any]) -> None:
    described = {model.__name__ for model in MODELS}
    assert described <= set(document["components"]["schemas"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                schemas = {kind: content["schema"] for kind, content in answer.get("content", {}).items()}
                assert schemas or status == "204", (method, path, status)
                for kind in {JSON, EVENTS} & set(schemas):
                    assert name_of(schemas[kind]) in described, (method, path, status)


def test_fields_may_be_added_later_and_may_be_absent_without_being_null(document: dict[str, Any]) -> None:
    assert "additionalProperties" not in document["components"]["schemas"]["Job"]
    verbose = document["components"]["schemas"]["TranscriptVerbose"]
    assert verbose["properties"]["words"]["type"] == "array"
    assert "words" not in verbose["required"]
    assert {"type": "null"} in document["components"]["schemas"]["Job"]["properties"]["error"]["anyOf"]
    assert TranscriptVerbose.model_fields["words"].default is None


OPERATIONS = {
    "create_transcription", "create_translation", "list_models", "retrieve_model", "create_job", "list_jobs",
    "retrieve_job", "retrieve_transcript", "retrieve_audio", "follow_job", "follow_jobs",
    "correct_transcript", "retrieve_peaks", "cancel_job", "delete_job",
    "export_transcripts", "retry_job", "update_job", "service_info", "list_deliveries", "redeliver",
    "health", "readiness", "list_workers",
}  # fmt: skip


def test_operations_have_stable_names(document: dict[str, Any]) -> None:
    """Generated clients call their methods so."""
    names = [row["operationId"] for operations in document["paths"].values() for row in operations.values()]
    assert sorted(names) == sorted(OPERATIONS)


def test_version_server_and_keys(document: dict[str, Any], tmp_path: Path) -> None:
    assert document["info"]["version"] == VERSION
    assert document["servers"] == [{"url": "/"}]
    assert document["security"] == [{}, {"bearer": []}, {"header": []}, {"basic": []}]
    assert document["paths"]["/health"]["get"]["security"] == []
    keyed, public = api_settings(api_keys={"ann": "sk-ann"}), worker_settings(public_url="https://whisper.example.com")
    other = create_app(keyed, public, store=LocalStore(tmp_path), redis=FakeRedis()).openapi()
    assert other["servers"] == [{"url": "https://whisper.example.com"}]
    assert other["security"] == [{"bearer": []}, {"header": []}, {"basic": []}]
    schemes = other["components"]["securitySchemes"]
    assert {name: row.get("scheme", row.get("name")) for name, row in schemes.items()} == {
        "bearer": "bearer",
        "header": "X-API-Key",
        "basic": "basic",
    }
