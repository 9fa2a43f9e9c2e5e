"""Where a job calls back is checked before it is promised, and what became of it is told."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.http.errors import ApiError
from api.http.fields import Fields
from api.intake.form import Form
from api.intake.form_reading import read_form
from api.intake.webhook_fields import Callbacks
from tests.unit.api_service import WAV, Running, assert_error, serving, until, worker_settings
from tests.unit.factories import DEADLINE
from worker.outbound.addresses import Unresolved
from worker.store.records import Webhook
from worker.webhooks.delivery_queue import DUE
from worker.webhooks.outbox import Attempt, Outbox

HOOK = "http://8.8.8.8:5678/hook"
AT_ONCE = 50  # requests: more than the threads that serve all others


async def post(running: Running, path: str = "/v1/jobs", prefer: str = "", **fields: str) -> Any:
    headers = {"prefer": prefer} if prefer else {}
    return await running.client.post(path, data=fields, files={"file": ("m.wav", WAV)}, headers=headers)


@pytest.mark.asyncio
async def test_a_job_keeps_where_it_calls_and_shows_no_header(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        headers = json.dumps({"Authorization": "Bearer hush"})
        response = await post(running, webhook_url=HOOK, webhook_headers=headers, webhook_include="segments, text")
        assert response.status_code == 202
        assert response.json()["webhook"] == {"url": HOOK, "include": ["segments", "text"]}
        assert "hush" not in response.text
        [job_id] = running.job_ids()
        webhook = running.store.request(job_id).webhook
        assert webhook == Webhook(HOOK, {"Authorization": "Bearer hush"}, ("segments", "text"), "http://localhost:9001")


@pytest.mark.fault(57)
@pytest.mark.fault(58)
@pytest.mark.parametrize(
    ("field", "value", "status", "code", "says"),
    [
        (
            "webhook_url",
            "http://127.0.0.1:5678/x",
            422,
            "webhook_not_allowed",
            "WHISPER_WEBHOOK_ALLOWED_HOSTS=127.0.0.1",
        ),
        (
            "webhook_url",
            "http://localhost:5678/x",
            422,
            "webhook_not_allowed",
            "WHISPER_WEBHOOK_ALLOWED_HOSTS=localhost",
        ),
        ("webhook_url", "http://169.254.169.254/", 422, "webhook_not_allowed", "WHISPER_WEBHOOK_ALLOWED_NETWORKS"),
        (
            "webhook_url",
            "http://8.8.8.8:6379/",
            422,
            "webhook_not_allowed",
            "WHISPER_WEBHOOK_ALLOWED_HOSTS=8.8.8.8:6379",
        ),
        ("webhook_url", "file:///etc/passwd", 422, "webhook_not_allowed", "https://"),
        ("webhook_url", "http://me:you@8.8.8.8/", 422, "webhook_not_allowed", "webhook_headers"),
        ("webhook_url", f"{HOOK}\r\nx: y", 422, "webhook_not_allowed", "printable"),
        ("webhook_headers", "Bearer x", 400, "invalid_value", "JSON object"),
        ("webhook_headers", '{"a": "b\\r\\nc: d"}', 400, "invalid_value", "characters"),
        ("webhook_headers", "[" * 5000, 400, "invalid_value", "JSON object"),
        ("webhook_include", "everything", 400, "invalid_value", "text, segments"),
    ],
)
@pytest.mark.asyncio
async def test_a_call_back_that_could_not_be_made_is_refused_and_there_is_no_job(
    tmp_path: Path, field: str, value: str, status: int, code: str, says: str
) -> None:
    async with serving(tmp_path) as running:
        response = await post(running, **{"webhook_url": HOOK, field: value})
        assert says in assert_error(response, status, code, field)
        assert running.leftovers() == []


@pytest.mark.asyncio
async def test_a_call_that_waits_is_not_called_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        response = await post(running, "/v1/audio/transcriptions", model="base", webhook_url=HOOK)
        assert_error(response, 400, "unsupported_parameter", "webhook_url")
        response = await post(running, "/v1/audio/transcriptions", "respond-async", model="base", webhook_url=HOOK)
        assert response.status_code == 202
        assert response.json()["webhook"]["url"] == HOOK


@pytest.mark.parametrize(("name", "value"), [("webhook_headers", "{}"), ("webhook_include", "text")])
@pytest.mark.asyncio
async def test_what_goes_with_a_call_back_needs_one(tmp_path: Path, name: str, value: str) -> None:
    async with serving(tmp_path) as running:
        response = await post(running, **{name: value})
        assert_error(response, 400, "missing_required_parameter", "webhook_url")


def read(callbacks: Callbacks, is_job: bool = True, **fields: str) -> Webhook | None:
    form = read_form(Fields(fields.items()), "job")
    return asyncio.run(callbacks.read(form, "http://evil.example.com", is_job=is_job))


def own(**settings: Any) -> Callbacks:
    return Callbacks(worker_settings(webhook_url="https://8.8.4.4/all", **settings))


def test_a_job_that_names_no_receiver_has_the_operators() -> None:
    callbacks = own(webhook_headers='{"Authorization": "Bearer op"}', webhook_include=("text",))
    assert read(callbacks) == Webhook("https://8.8.4.4/all", {"Authorization": "Bearer op"}, ("text",), "")
    assert read(callbacks, is_job=False) is None


def test_the_operators_headers_go_to_the_operators_receiver_alone() -> None:
    callbacks = own(webhook_headers='{"Authorization": "Bearer op"}')
    webhook = read(callbacks, webhook_url=HOOK)
    assert webhook is not None
    assert (webhook.url, webhook.headers) == (HOOK, {})


def test_links_to_the_operators_receiver_are_not_bent_by_a_submitters_host() -> None:
    webhook = read(own())
    assert webhook is not None
    assert webhook.base_url == ""


def test_a_name_server_that_is_away_refuses_no_job() -> None:
    def away(host: str, port: int) -> list[str]:
        raise Unresolved("later")

    assert read(Callbacks(worker_settings(), resolver=away), webhook_url="https://example.com/")


@pytest.mark.fault(71)
def test_a_name_server_that_does_not_answer_refuses_no_job() -> None:
    """Its name is checked again when it is called."""
    over = threading.Event()

    def silent(host: str, port: int) -> list[str]:
        over.wait(DEADLINE)
        return ["127.0.0.1"]

    assert read(Callbacks(worker_settings(), patience=0.01, resolver=silent), webhook_url="https://example.com/")
    assert not over.is_set()
    over.set()


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ApiError, match="no address") as raised:
        read(Callbacks(worker_settings()), webhook_url="https://0x7f.0x.1/")
    assert raised.value.code == "webhook_not_allowed"


@pytest.mark.asyncio
async def test_deliveries_are_none_before_the_end_and_then_one_with_its_attempts(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job(webhook=Webhook(HOOK))
        path = f"/v1/jobs/{request.id}/deliveries"
        assert (await running.client.get(path)).json() == {"object": "list", "data": []}
        running.finish(request.id)
        [delivery] = (await running.client.get(path)).json()["data"]
        assert (delivery["status"], delivery["attempts"]) == ("pending", [])
        Outbox(running.store).record(request.id, Attempt(1.0, 0.25, 410, None, "gone", None))
        [delivery] = (await running.client.get(path)).json()["data"]
        assert delivery == {
            "id": f"evt_{request.id[4:]}",
            "object": "webhook.delivery",
            "type": "transcription.completed",
            "url": HOOK,
            "status": "gone",
            "next_attempt_at": None,
            "attempts": [{"at": 1.0, "seconds": 0.25, "response_status": 410, "error": None}],
        }


@pytest.mark.asyncio
async def test_a_message_is_sent_again_when_asked(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job(webhook=Webhook(HOOK))
        path = f"/v1/jobs/{request.id}/redeliver"
        assert_error(await running.client.post(path), 409, "job_not_finished", "id")
        running.finish(request.id)
        Outbox(running.store).record(request.id, Attempt(1.0, 0.25, 410, None, "gone", None))
        response = await running.client.post(path)
        assert (response.status_code, response.json()["status"]) == (202, "pending")
        assert running.redis.zscore(DUE, request.id) == pytest.approx(response.json()["next_attempt_at"], abs=1)


@pytest.mark.asyncio
async def test_a_message_is_sent_again_though_redis_is_away(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job(webhook=Webhook(HOOK))
        running.finish(request.id)
        Outbox(running.store).record(request.id, Attempt(1.0, 0.25, 200, None, "delivered", None))
        running.redis_server.connected = False
        response = await running.client.post(f"/v1/jobs/{request.id}/redeliver")
        assert (response.status_code, response.json()["status"]) == (202, "pending")


@pytest.mark.asyncio
async def test_a_job_without_a_receiver_has_nothing_to_send_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        request = running.add_job()
        running.finish(request.id)
        assert_error(await running.client.post(f"/v1/jobs/{request.id}/redeliver"), 409, "no_webhook", "id")
        answer = await running.client.get(f"/v1/jobs/{request.id}/deliveries")
        assert answer.json()["data"] == []


@pytest.mark.asyncio
async def test_another_keys_deliveries_are_not_there(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys={"anna": "sk-a", "ben": "sk-b"}) as running:
        request = running.add_job(owner="anna", webhook=Webhook(HOOK))
        running.finish(request.id)
        async with running.caller(authorization="Bearer sk-b") as ben:
            assert_error(await ben.get(f"/v1/jobs/{request.id}/deliveries"), 404, "job_not_found", "id")
            assert_error(await ben.post(f"/v1/jobs/{request.id}/redeliver"), 404, "job_not_found", "id")


@pytest.mark.fault(71)
@pytest.mark.asyncio
async def test_names_that_resolve_slowly_hold_nobody_up(tmp_path: Path) -> None:
    """Many jobs whose receivers' name servers do not answer, and a transcript that is read meanwhile."""
    answered = threading.Event()

    def slow(host: str, port: int) -> list[str]:
        answered.wait(DEADLINE)
        return ["8.8.8.8"]

    class Counted(Callbacks):
        begun = 0

        async def read(self, form: Form, base_url: str, *, is_job: bool) -> Webhook | None:
            self.begun += 1
            return await super().read(form, base_url, is_job=is_job)

    async with serving(tmp_path) as running:
        done = running.add_job()
        running.finish(done.id)
        callbacks = Counted(worker_settings(), patience=DEADLINE, resolver=slow)
        running.app.state.service = replace(running.service, callbacks=callbacks)
        asked = [asyncio.create_task(post(running, webhook_url="http://example.com/")) for _ in range(AT_ONCE)]
        await until(lambda: callbacks.begun == AT_ONCE)
        assert (await running.client.get(f"/v1/jobs/{done.id}/transcript")).status_code == 200
        assert not any(task.done() for task in asked)
        answered.set()
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {202}


@pytest.mark.fault(71)
@pytest.mark.asyncio
async def test_a_name_that_leads_inside_is_refused_though_others_are_slow() -> None:
    def mixed(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "inside.example" else ["8.8.8.8"]

    callbacks = Callbacks(worker_settings(), resolver=mixed)
    form = read_form(Fields([("webhook_url", "http://inside.example/")]), "job")
    with pytest.raises(ApiError) as raised:
        await callbacks.read(form, "", is_job=True)
    assert raised.value.code == "webhook_not_allowed"
