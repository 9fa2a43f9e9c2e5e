"""Webhooks as their receivers get them: what is said, and that others' code verifies it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from standardwebhooks import Webhook as Verifier

from tests.acceptance.live import ROOT, LiveService, until
from tests.receiver import Received, Receiver, receiving
from tests.services import Start
from worker.webhooks.keys import key_of, new_secret

FAKE_TEXT = "w0.0 w0.1 w0.2"  # what the engine without a model hears in the clip
LOOPBACK = {"WHISPER_ENGINE": "fake", "WHISPER_WEBHOOK_ALLOWED_HOSTS": "localhost"}


@pytest.fixture(scope="module")
def hooked(start_service: Start) -> LiveService:
    """It may call back to localhost, and signs with a secret of its own."""
    return start_service("hooked", **LOOPBACK)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def secret_of(service: LiveService) -> str:
    """As the command prints it."""
    environment = {"WHISPER_DATA_DIR": str(service.data), "PYTHONPATH": str(ROOT)}
    program = "import sys; from scripts.cli.command_line import main; sys.exit(main(sys.argv.pop()))"
    command = [sys.executable, "-c", program, "webhook-secret", str(service.directory)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def sent(request: Received) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(request.body)
    return value


def test_the_end_of_a_job_is_told_as_the_api_tells_it(hooked: LiveService, clip: Path, receiver: Receiver) -> None:
    job_id = hooked.submit(clip, webhook_url=receiver.url("/a?b=c", "localhost"), metadata='{"meeting": 7}')
    [request] = receiver.wait(1)
    assert (request.method, request.path) == ("POST", "/a?b=c")
    assert request.headers["content-type"] == "application/json"
    body, job = sent(request), hooked.job(job_id)
    assert (list(body), body["type"]) == (["type", "timestamp", "data"], "transcription.completed")
    links = body["data"].pop("urls")
    assert links == {name: hooked.url + path for name, path in job.pop("urls").items()}
    assert body["data"] == {**job, "text": FAKE_TEXT}
    assert body["data"]["metadata"] == {"meeting": 7}
    assert (body["data"]["language"], body["data"]["detected_language"]) == (None, "en")


def test_its_links_lead_back(hooked: LiveService, clip: Path, receiver: Receiver) -> None:
    hooked.submit(clip, webhook_url=receiver.url(host="localhost"))
    [request] = receiver.wait(1)
    with hooked.http() as client:
        assert client.get(sent(request)["data"]["urls"]["transcript"]).json()["text"] == FAKE_TEXT


def test_others_verify_it_with_the_secret_that_the_command_prints(
    hooked: LiveService, clip: Path, receiver: Receiver
) -> None:
    hooked.submit(clip, webhook_url=receiver.url(host="localhost"))
    [request] = receiver.wait(1)
    secret = secret_of(hooked)
    Verifier(secret).verify(request.body, request.headers)
    with OpenAI(api_key="unused", webhook_secret=secret) as client:
        client.webhooks.verify_signature(request.body, request.headers)
        assert client.webhooks.unwrap(request.body, request.headers).type == sent(request)["type"]
        with pytest.raises(InvalidWebhookSignatureError):
            client.webhooks.verify_signature(request.body + b" ", request.headers)


def test_a_tool_that_takes_the_key_as_text_verifies_it(hooked: LiveService, clip: Path, receiver: Receiver) -> None:
    """n8n's Crypto node hands the text to createHmac."""
    hooked.submit(clip, webhook_url=receiver.url(host="localhost"))
    [request] = receiver.wait(1)
    text = key_of(secret_of(hooked)).decode("ascii")
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.{request.body.decode()}"
    expected = base64.b64encode(hmac.digest(text.encode(), signed.encode(), hashlib.sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"


def test_a_failed_job_says_why(hooked: LiveService, receiver: Receiver, tmp_path: Path) -> None:
    path = tmp_path / "noise.mp3"
    path.write_bytes(b"this is no recording " * 100)
    job_id = hooked.submit(path, webhook_url=receiver.url(host="localhost"))
    [request] = receiver.wait(1)
    body = sent(request)
    assert (body["type"], body["data"]["id"]) == ("transcription.failed", job_id)
    assert body["data"]["error"]["code"] == "unsupported_media"


def test_a_canceled_job_says_so(start_service: Start, long_file: Path, receiver: Receiver) -> None:
    service = start_service("hooked-slow", **LOOPBACK, WHISPER_MODEL="1", WHISPER_LANES="1", WHISPER_MAX_BATCH="1")
    job_id = service.submit(long_file, webhook_url=receiver.url(host="localhost"))
    service.in_state(job_id, "started")
    assert service.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    [request] = receiver.wait(1)
    assert sent(request)["type"] == "transcription.canceled"


def test_headers_of_the_receivers_own_go_along_and_are_shown_nowhere(
    hooked: LiveService, clip: Path, receiver: Receiver
) -> None:
    headers = json.dumps({"Authorization": "Bearer hush-4711", "X-Tenant": "a b"})
    job_id = hooked.submit(clip, webhook_url=receiver.url(host="localhost"), webhook_headers=headers)
    [request] = receiver.wait(1)
    assert (request.headers["authorization"], request.headers["x-tenant"]) == ("Bearer hush-4711", "a b")
    shown = [json.dumps(hooked.job(job_id)), hooked.get(f"/v1/jobs/{job_id}/deliveries").text, hooked.log()]
    assert not any("hush-4711" in text for text in [*shown, request.body.decode()])


def test_segments_come_when_they_are_asked_for(hooked: LiveService, clip: Path, receiver: Receiver) -> None:
    hooked.submit(clip, webhook_url=receiver.url(host="localhost"), webhook_include="text,segments")
    [request] = receiver.wait(1)
    [segment] = sent(request)["data"]["segments"]
    assert list(segment) == ["id", "start", "end", "text"]
    assert segment["text"].strip() == FAKE_TEXT


def test_openais_route_calls_back_when_it_does_not_wait(hooked: LiveService, clip: Path, receiver: Receiver) -> None:
    with open(clip, "rb") as file:
        fields = {"model": "whisper-1", "webhook_url": receiver.url(host="localhost")}
        request = {"data": fields, "files": {"file": file}, "headers": {"prefer": "respond-async"}}
        assert hooked.post("/v1/audio/transcriptions", **request).status_code == 202
    receiver.wait(1)


def test_a_message_is_sent_again_by_hand_with_its_id(hooked: LiveService, clip: Path, receiver: Receiver) -> None:
    job_id = hooked.submit(clip, webhook_url=receiver.url(host="localhost"))
    receiver.wait(1)
    assert hooked.post(f"/v1/jobs/{job_id}/redeliver").status_code == 202
    first, second = receiver.wait(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    until(lambda: len(hooked.get(f"/v1/jobs/{job_id}/deliveries").json()["data"][0]["attempts"]) == 2, "it is noted")


def test_what_the_operator_set(start_service: Start, clip: Path, receiver: Receiver) -> None:
    """A receiver for all jobs, its headers, two secrets while they change, and the address for links."""
    old, new = new_secret(), new_secret()
    service = start_service(
        "operator",
        **LOOPBACK,
        WHISPER_WEBHOOK_URL=receiver.url("/all", "localhost"),
        WHISPER_WEBHOOK_HEADERS='{"Authorization": "Bearer operator"}',
        WHISPER_WEBHOOK_INCLUDE="segments",
        WHISPER_WEBHOOK_SECRET=f"{new},{old}",
        WHISPER_PUBLIC_URL="https://whisper.example.com/",
    )
    service.submit(clip)
    [request] = receiver.wait(1)
    assert (request.path, request.headers["authorization"]) == ("/all", "Bearer operator")
    assert sent(request)["data"]["urls"]["self"].startswith("https://whisper.example.com/v1/jobs/")
    assert sent(request)["data"]["segments"]
    for secret in (old, new):
        Verifier(secret).verify(request.body, request.headers)
    service.submit(clip, webhook_url=receiver.url("/own", "localhost"))
    own = receiver.wait(2)[1]
    assert own.path == "/own"
    assert "authorization" not in own.headers
