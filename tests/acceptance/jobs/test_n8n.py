"""n8n as a client: the bytes its nodes send and the answers its nodes give, for the workflows in examples/n8n.

Fields and their order, expressions and header names are read from the workflows; how n8n puts them on the wire, and how
its Wait node answers, was observed on n8n 2.41.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests import media, speech
from tests.acceptance import wire
from tests.acceptance.live import LiveService, until
from tests.receiver import Received, Reply, receiving
from tests.services import Start
from worker.webhooks.keys import key_of, new_secret

FOLDER = Path(__file__).parents[3] / "examples" / "n8n"
FAKE_TEXT = "w0.0 w0.1 w0.2"  # what the engine without a model hears in the clip
SECRET = new_secret()
FILE_NAME = "Größe 1.wav"
ACCEPT = "application/json,text/html,application/xhtml+xml,application/xml,text/*;q=0.9, image/*;q=0.8, */*;q=0.7"


@pytest.fixture(scope="module")
def beside_n8n(start_service: Start) -> LiveService:
    """As the examples' README sets it up."""
    return start_service(
        "n8n",
        WHISPER_ENGINE="fake",
        WHISPER_SPEAKER_MODEL="fake",
        WHISPER_WEBHOOK_ALLOWED_HOSTS="localhost",
        WHISPER_WEBHOOK_SECRET=SECRET,
    )


def parameters(workflow: str, node: str) -> dict[str, Any]:
    nodes = json.loads((FOLDER / f"{workflow}.json").read_text(encoding="utf-8"))["nodes"]
    return next(dict(each["parameters"]) for each in nodes if each["name"] == node)


class Execution:
    """One run of a workflow's request: fills in what n8n's expressions stand for."""

    def __init__(self, workflow: str, node: str, **expressions: str) -> None:
        self._parameters = parameters(workflow, node)
        self._expressions = {
            "={{ $workflow.id }}-{{ $execution.id }}-{{ $itemIndex }}": f"wf-{secrets.token_hex(4)}-0",
            "={{ JSON.stringify({ execution: $execution.id }) }}": '{"execution":"7"}',
            **{f"={{{{ {name} }}}}": value for name, value in expressions.items()},
        }

    def _value(self, row: Mapping[str, str]) -> str:
        return self._expressions[row["value"]] if row["value"].startswith("=") else row["value"]

    def send(self, service: LiveService, clip: Path, **replaced: str) -> wire.Answer:
        """As the HTTP Request node does, byte for byte."""
        parts = [
            wire.file(clip.read_bytes(), FILE_NAME.encode(), row["name"])
            if row.get("parameterType") == "formBinaryData"
            else wire.field(row["name"], replaced.get(row["name"]) or self._value(row))
            for row in self._parameters["bodyParameters"]["parameters"]
        ]
        body = wire.form(*parts)
        headers = [f"{row['name']}: {self._value(row)}" for row in self._parameters["headerParameters"]["parameters"]]
        path = self._parameters["url"].removeprefix("http://localhost:9001")
        n8n = ["user-agent: n8n", f"accept: {ACCEPT}", "accept-encoding: gzip, deflate, br", "connection: close"]
        return wire.send(service.port, wire.head(service.port, body, [*headers, *n8n], path) + body)


class WaitNode:
    """Answers as n8n does at an execution's resume URL. parks_after: requests that come before the execution waits."""

    def __init__(self, parks_after: int) -> None:
        self.signature = secrets.token_hex(32)
        self.resumed_with: Received | None = None
        self._parks_after = parks_after
        self._seen = 0

    def __call__(self, number: int, request: Received) -> Reply:
        url = urlsplit(request.path)
        if request.method != "POST" or url.path != "/webhook-waiting/7":
            return self._json(404, "no waiting webhook with a matching path/method")
        if parse_qs(url.query).get("signature") != [self.signature]:
            return self._json(401, "Invalid token")
        self._seen += 1
        if self._seen <= self._parks_after:
            return self._json(409, 'The execution "7" is running already.')
        if self.resumed_with is not None:
            return self._json(409, 'The execution "7" has finished already.')
        self.resumed_with = request
        return self._json(200, "Workflow was started")

    def _json(self, status: int, text: str) -> Reply:
        return Reply(status, {"content-type": "application/json"}, json.dumps({"message": text}).encode())


def delivery(service: LiveService, job_id: str) -> dict[str, Any]:
    [found] = service.get(f"/v1/jobs/{job_id}/deliveries").json()["data"]
    return dict(found)


def test_transcribe_and_wait(beside_n8n: LiveService, clip: Path) -> None:
    answer = Execution("transcribe", "Transcribe").send(beside_n8n, clip)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["text"] == FAKE_TEXT
    assert answer.json()["language"] == "english"
    assert isinstance(answer.json()["duration"], float)


@pytest.mark.fault(39)
@pytest.mark.parametrize("parks_after", [0, 4])
def test_a_job_resumes_the_workflow_that_waits_for_it(beside_n8n: LiveService, clip: Path, parks_after: int) -> None:
    """A short job ends before the workflow waits: n8n answers 409 until it does."""
    wait = WaitNode(parks_after)
    with receiving(wait) as n8n:
        url = n8n.url(f"/webhook-waiting/7?signature={wait.signature}", "localhost")
        answer = Execution("job-and-wait", "Submit", **{"$execution.resumeUrl": url}).send(beside_n8n, clip)
        assert answer.status == 202
        *early, last = n8n.wait(parks_after + 1)
    assert wait.resumed_with == last
    assert all(request.body == last.body for request in early)
    body = json.loads(last.body)
    assert (body["type"], body["data"]["text"]) == ("transcription.completed", FAKE_TEXT)
    assert body["data"]["file"]["name"] == FILE_NAME


@pytest.mark.fault(40)
def test_an_execution_that_has_finished_is_left_alone(beside_n8n: LiveService, clip: Path) -> None:
    wait = WaitNode(0)
    with receiving(wait) as n8n:
        url = n8n.url(f"/webhook-waiting/7?signature={wait.signature}", "localhost")
        job_id = (
            Execution("job-and-wait", "Submit", **{"$execution.resumeUrl": url}).send(beside_n8n, clip).json()["id"]
        )
        n8n.wait(1)
        beside_n8n.post(f"/v1/jobs/{job_id}/redeliver")
        n8n.wait(2)
        beside_n8n.post(f"/v1/jobs/{job_id}/redeliver")
        n8n.wait(3)
        assert delivery(beside_n8n, job_id)["status"] in ("gone", "pending")
        assert all(row["response_status"] in (200, 409) for row in delivery(beside_n8n, job_id)["attempts"])


def test_a_wrong_resume_url_is_tried_again_and_resumes_nobody(beside_n8n: LiveService, clip: Path) -> None:
    wait = WaitNode(0)
    with receiving(wait) as n8n:
        url = n8n.url("/webhook-waiting/7?signature=" + "0" * 64, "localhost")
        Execution("job-and-wait", "Submit", **{"$execution.resumeUrl": url}).send(beside_n8n, clip)
        n8n.wait(2)
    assert wait.resumed_with is None


@pytest.mark.fault(45)
def test_retry_on_fail_makes_no_second_job(beside_n8n: LiveService, clip: Path) -> None:
    with receiving() as n8n:
        execution = Execution("job-and-wait", "Submit", **{"$execution.resumeUrl": n8n.url("/r", "localhost")})
        answers = [execution.send(beside_n8n, clip) for _ in range(3)]
        assert len({answer.json()["id"] for answer in answers}) == 1
        n8n.wait(1)
        attempts = until(lambda: delivery(beside_n8n, answers[0].json()["id"])["attempts"], "it is noted")
        assert [row["response_status"] for row in attempts] == [200]


def test_who_said_what_is_mailed(beside_n8n: LiveService, tmp_path: Path) -> None:
    """The Code node runs as it is written, on the message as it came."""
    if (program := shutil.which("node")) is None:
        pytest.skip("there is no Node.js to run the workflow's code")
    with receiving() as n8n:
        execution = Execution("who-said-what", "Submit", **{"$execution.resumeUrl": n8n.url("/r", "localhost")})
        meeting = media.write(tmp_path / "meeting.wav", speech.recording(0.5).samples)
        assert execution.send(beside_n8n, meeting).status == 202
        [request] = n8n.wait(1)
    data = json.loads(request.body)["data"]
    assert all(each["speaker"] for each in data["segments"])
    code = parameters("who-said-what", "Who said what")["jsCode"]
    item = json.dumps({"body": json.loads(request.body)})
    script = f"const $json = {item}; console.log(JSON.stringify((() => {{ {code} }})()))"
    ran = subprocess.run([program, "-e", script], capture_output=True, text=True, check=True)
    mail = json.loads(ran.stdout)["json"]
    turns, _, seconds = mail["text"].partition("\n\n")
    assert mail["recording"] == FILE_NAME
    assert "".join(line.partition(": ")[2] for line in turns.splitlines()).replace(" ", "") == (
        "".join(each["text"] for each in data["segments"]).replace(" ", "")
    )
    assert seconds.splitlines() == [f"{each['name']}: {round(each['seconds'])} s" for each in data["speakers"]]


def test_the_signature_that_the_workflow_checks(beside_n8n: LiveService, clip: Path) -> None:
    """Webhook (raw body) ─► Extract from file ─► Crypto (HMAC, SHA256, base64; the secret as text) ─► If."""
    with receiving() as n8n:
        execution = Execution("job-and-signed-webhook", "Submit")
        answer = execution.send(beside_n8n, clip, webhook_url=n8n.url("/webhook/whisper-native", "localhost"))
        assert answer.status == 202
        [request] = n8n.wait(1)
    raw = request.body.decode()
    value = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.{raw}"
    secret_as_text = key_of(SECRET).decode("ascii")
    signature = base64.b64encode(hmac.digest(secret_as_text.encode(), value.encode(), hashlib.sha256)).decode()
    assert f"v1,{signature}" in request.headers["webhook-signature"].split(" ")
    assert json.loads(raw)["data"]["metadata"] == {"execution": "7"}


def test_header_auth_of_a_webhook_node(beside_n8n: LiveService, clip: Path) -> None:
    with receiving() as n8n:
        headers = '{"Authorization": "Bearer n8n-credential"}'
        beside_n8n.submit(clip, webhook_url=n8n.url("/webhook/x", "localhost"), webhook_headers=headers)
        [request] = n8n.wait(1)
    assert request.headers["authorization"] == "Bearer n8n-credential"
