"""The example workflows fit together, call endpoints there are, and read fields there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.answers.formats import verbose_json
from api.intake.form_document import form_operation
from tests.unit.api_service import make_transcript
from tests.unit.factories import make_request
from worker.store.records import JobError, Outcome, Webhook, new_job_id
from worker.webhooks.message import message

FOLDER = Path(__file__).parents[3] / "examples" / "n8n"
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


def test_there_are_three() -> None:
    assert [path.stem for path in WORKFLOWS] == ["job-and-signed-webhook", "job-and-wait", "transcribe"]


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
        assert set(schema["required"]) <= set(sent) <= set(schema["properties"])


def test_a_retry_of_n8n_makes_no_second_job(workflow: Workflow) -> None:
    for each in workflow["nodes"]:
        if each["type"] == "n8n-nodes-base.httpRequest":
            assert each["retryOnFail"] is True
            [header] = each["parameters"]["headerParameters"]["parameters"]
            assert header["name"] == "Idempotency-Key"
            assert "$execution.id" in header["value"]


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
    request = make_request(new_job_id(), webhook=Webhook("https://example.com/"), metadata={"execution": "7"})
    transcript = make_transcript() if outcome.state == "finished" else None
    body: dict[str, Any] = json.loads(message(request, outcome, transcript, None))
    return body


def test_expressions_name_fields_of_real_messages(workflow: Workflow) -> None:
    done = payload(Outcome("finished", duration=8.47))
    failed = payload(Outcome("failed", error=JobError("empty_audio", "It is empty.")))
    answer = verbose_json(make_transcript(), ("segment",))
    found = 0
    for text in texts([each["parameters"] for each in workflow["nodes"]]):
        for path in re.findall(r"\$json\.body\??\.([\w.?]+)|JSON\.parse\(\$json\.raw\)\.([\w.?]+)", text):
            name = "".join(path).replace("?.", ".")
            assert has(failed if ".error" in name else done, name), name
            found += 1
        for name in re.findall(r"\$json\.(?!body\b|headers\b|raw\b|signature\b)(\w+)", text):
            assert has(answer, name), name
            found += 1
    assert found >= 3


def test_the_readme_names_every_workflow() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in readme for path in WORKFLOWS)
