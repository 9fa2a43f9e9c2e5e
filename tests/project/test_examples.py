"""The example workflows fit together, call endpoints there are, and read fields there are."""

from __future__ import annotations

import inspect
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.answers.formats import verbose_json
from api.http.errors import ApiError
from api.intake.form_document import form_operation
from scripts.cli import commands
from tests.unit.api_service import make_transcript
from tests.unit.factories import make_request
from worker.store.records import Diarization, JobError, Outcome, Webhook, new_job_id
from worker.webhooks.message import message

FOLDER = Path(__file__).parents[2] / "examples" / "n8n"
WORKFLOWS = sorted(FOLDER.glob("*.json"))
Workflow = dict[str, Any]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> Workflow:
    data: Workflow = json.loads(request.param.read_text(encoding="utf-8"))
    return data


def texts(value: object) -> Iterator[str]:
    """Every text anywhere in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def node(workflow: Workflow, name: str) -> dict[str, Any]:
    return next(dict(each) for each in workflow["nodes"] if each["name"] == name)


def requests(workflow: Workflow) -> list[dict[str, Any]]:
    """Parameters of the nodes that call the service."""
    return [each["parameters"] for each in workflow["nodes"] if each["type"] == "n8n-nodes-base.httpRequest"]


def test_there_are_four() -> None:
    assert [path.stem for path in WORKFLOWS] == [
        "job-and-signed-webhook", "job-and-wait", "transcribe", "who-said-what",
    ]  # fmt: skip


def test_no_two_workflows_share_an_id() -> None:
    """n8n takes a form's address from its `webhookId`: of two with one address only one can be active."""
    nodes = [each for path in WORKFLOWS for each in json.loads(path.read_text(encoding="utf-8"))["nodes"]]
    for name in ("id", "webhookId"):
        ids = [uuid.UUID(each[name]) for each in nodes if name in each]
        assert len(ids) > 3
        assert len(set(ids)) == len(ids), name
    listening = ("formTrigger", "webhook", "wait")
    assert all("webhookId" in each for each in nodes if each["type"].rpartition(".")[2] in listening)


def test_every_connection_joins_two_nodes_and_every_node_is_reached(workflow: Workflow) -> None:
    names = [each["name"] for each in workflow["nodes"]]
    assert len(set(names)) == len(names)
    assert len({each["id"] for each in workflow["nodes"]}) == len(names)
    reached = {row["node"] for link in workflow["connections"].values() for port in link["main"] for row in port}
    assert set(workflow["connections"]) <= set(names)
    triggers = {"Recording", "Webhook"} & set(names)
    assert reached | triggers == set(names)


def test_what_is_called_takes_the_fields_that_are_sent(workflow: Workflow) -> None:
    for call in requests(workflow):
        path = call["url"].removeprefix("http://localhost:9001")
        assert path in ("/v1/jobs", "/v1/audio/transcriptions")
        operation = form_operation("job" if path == "/v1/jobs" else "transcription")
        schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
        sent = [field["name"] for field in call["bodyParameters"]["parameters"]]
        assert {"file"} <= set(sent) <= set(schema["properties"])


def test_a_retry_of_n8n_makes_no_second_job(workflow: Workflow) -> None:
    for each in workflow["nodes"]:
        if each["type"] == "n8n-nodes-base.httpRequest":
            assert each["retryOnFail"] is True
            [header] = each["parameters"]["headerParameters"]["parameters"]
            assert header["name"] == "Idempotency-Key"
            assert "$execution.id" in header["value"]


def test_what_is_refused_for_good_is_not_sent_again(workflow: Workflow) -> None:
    """n8n's own Retry On Fail is left with what gets no answer; what gets one says whether to try again."""
    [call] = [each for each in workflow["nodes"] if each["type"] == "n8n-nodes-base.httpRequest"]
    assert call["parameters"]["options"]["response"]["response"] == {"fullResponse": True, "neverError": True}
    assert leads_to(workflow, call["name"]) == ["Accepted?"]
    assert leads_to(workflow, "Accepted?", 1) == ["Worth another try?"]
    [condition] = node(workflow, "Worth another try?")["parameters"]["conditions"]["conditions"]
    assert "$json.headers['x-should-retry'] !== 'false' && $runIndex < 5" in condition["leftValue"]
    path = ["Worth another try?"]
    while path[-1] != call["name"]:
        path += leads_to(workflow, path[-1])
    assert path[1:3] == ["Pause", "The recording again"]
    assert node(workflow, path[2])["parameters"]["jsCode"] == "return $('Recording').all();"
    assert leads_to(workflow, "Worth another try?", 1) == ["Say why it was refused"]
    for code in ("invalid_value", "unsupported_media", "model_not_found", "sync_timeout"):
        assert ApiError(code, "x").headers["x-should-retry"] == "false"
    for code in ("queue_full", "redis_unavailable"):
        assert "x-should-retry" not in ApiError(code, "x").headers


def leads_to(workflow: Workflow, name: str, port: int = 0) -> list[str]:
    return [row["node"] for row in workflow["connections"][name]["main"][port]]


def test_the_wait_node_takes_a_post_and_does_not_wait_for_ever() -> None:
    workflow = json.loads((FOLDER / "job-and-wait.json").read_text(encoding="utf-8"))
    wait = node(workflow, "Wait for the webhook")["parameters"]
    assert (wait["resume"], wait["httpMethod"], wait["limitWaitTime"]) == ("webhook", "POST", True)


def test_the_signature_is_made_of_the_bytes_as_they_came() -> None:
    workflow = json.loads((FOLDER / "job-and-signed-webhook.json").read_text(encoding="utf-8"))
    assert node(workflow, "Webhook")["parameters"]["options"]["rawBody"] is True
    sign = node(workflow, "Sign")["parameters"]
    assert (sign["action"], sign["type"], sign["encoding"]) == ("hmac", "SHA256", "base64")
    parts = re.findall(r"\{\{ (.+?) \}\}", sign["value"])
    assert parts == ["$json.headers['webhook-id']", "$json.headers['webhook-timestamp']", "$json.raw"]
    assert re.sub(r"\{\{.+?\}\}", "x", sign["value"]) == "=x.x.x"


def has(value: Any, path: str) -> bool:
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def payload(outcome: Outcome) -> dict[str, Any]:
    """What a workflow gets, as n8n shows it to expressions."""
    webhook = Webhook("https://example.com/", include=("text", "segments"))
    request = make_request(new_job_id(), webhook=webhook, metadata={"execution": "7"}, diarization=Diarization())
    transcript = make_transcript() if outcome.state == "finished" else None
    body: dict[str, Any] = json.loads(message(request, outcome, transcript, None))
    return body


def test_expressions_name_fields_of_real_messages(workflow: Workflow) -> None:
    done = payload(Outcome("finished", duration=8.47))
    failed = payload(Outcome("failed", error=JobError("empty_audio", "It is empty.")))
    answer = verbose_json(make_transcript(), ("segment",))
    refused = ApiError("invalid_value", "x").body()
    found = 0
    for text in texts([each["parameters"] for each in workflow["nodes"]]):
        for path in re.findall(r"\$json\.body\??\.([\w.?]+)|JSON\.parse\(\$json\.raw\)\.([\w.?]+)", text):
            name = "".join(path).replace("?.", ".").removesuffix(".toFixed")
            assert any(has(body, name) for body in (done, failed, answer, refused)), name
            found += 1
        for name in re.findall(r"\$json\.(?!body\b|headers\b|raw\b|signature\b|statusCode\b)(\w+)", text):
            assert has(answer, name), name
            found += 1
    assert found >= 3


def test_the_readme_names_every_workflow() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in readme for path in WORKFLOWS)


def test_the_readme_says_what_to_change() -> None:
    readme = " ".join((FOLDER / "README.md").read_text(encoding="utf-8").split())
    for path in WORKFLOWS:
        workflow = json.loads(path.read_text(encoding="utf-8"))
        addresses = {text for text in texts(workflow["nodes"]) if text.startswith("http://")}
        assert addresses
        for address in addresses:  # of the service only the beginning, which all share
            assert f"`{address}`" in readme or (address.startswith("http://localhost:9001/") and "9001/…" in readme)
    assert "`Authorization` and **Value** `Bearer some-key`" in readme
    assert "**Hmac Secret**" in readme  # as n8n calls the field of its credential `Crypto`
    assert "`as text, for tools that take no base64:`" in readme
    assert "as text, for tools that take no base64:" in inspect.getsource(commands.webhook_secret)
