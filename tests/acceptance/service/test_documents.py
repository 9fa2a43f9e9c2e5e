"""The examples in the documents work as they stand there: every curl command and Python snippet, with one running
service; and the first answer is the one that the README shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.acceptance.live import LiveService
from tests.accuracy import normalised
from tests.conftest import Sample
from tests.project.documents import DOCUMENTS, ROOT, blocks, commands, name, text
from tests.receiver import Received, Receiver, receiving
from tests.services import Start
from worker.webhooks.keys import new_secret

BASE_URL = "http://localhost:9001"
RECEIVER_URL = "https://example.com/hooks/whisper"
RECORDING_URL = "https://example.com/talk.mp3"
SECRET = new_secret()
TIMEOUT = 60  # seconds for one example

CURLS = [(name(path), command) for path in DOCUMENTS for command in commands(text(path)) if command.startswith("curl")]
SNIPPETS = [(name(path), block) for path in DOCUMENTS for block in blocks(text(path), "python")]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def documented(start_service: Start) -> LiveService:
    """All but the model: what the examples print is not looked at word by word."""
    return start_service(
        "documented",
        WHISPER_ENGINE="fake",
        WHISPER_WEBHOOK_ALLOWED_HOSTS="localhost",
        WHISPER_URL_ALLOWED_HOSTS="localhost",
        WHISPER_WEBHOOK_SECRET=SECRET,
    )


@pytest.fixture(scope="module")
def job_id(documented: LiveService, sample: Sample) -> str:
    """A job that has ended: what `job_…` stands for in the examples."""
    job_id = documented.submit(sample.path)
    assert documented.ended(job_id)["status"] == "finished"
    return job_id


@pytest.fixture(scope="module")
def delivered(documented: LiveService, sample: Sample, receiver: Receiver) -> Received:
    """A webhook as it arrived."""
    count = len(receiver.requests)
    documented.submit(sample.path, webhook_url=receiver.url("/hooks/whisper", "localhost"))
    return receiver.wait(count + 1)[-1]


def filled_in(example: str, service: LiveService, job_id: str, receiver: Receiver) -> str:
    """The example with what is different for every reader."""
    example = example.replace(BASE_URL, service.url).replace("job_…", job_id)
    example = example.replace(RECORDING_URL, receiver.url("/talk.mp3", "localhost"))
    return example.replace(RECEIVER_URL, receiver.url("/hooks/whisper", "localhost"))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(("document", "command"), CURLS)
def test_a_curl_example_is_answered_with_success(
    document: str, command: str, documented: LiveService, job_id: str, receiver: Receiver
) -> None:
    command = filled_in(command, documented, job_id, receiver)
    answered = subprocess.run(
        ["bash", "-c", command.replace("curl", "curl -sS --fail-with-body --noproxy '*'", 1)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert answered.returncode == 0, f"{document}: {command}\n{answered.stdout}\n{answered.stderr}"
    assert answered.stdout


@pytest.mark.parametrize(("document", "snippet"), SNIPPETS)
def test_a_python_example_runs(
    document: str, snippet: str, documented: LiveService, delivered: Received, job_id: str, receiver: Receiver
) -> None:
    snippet = filled_in(snippet, documented, job_id, receiver).replace("whsec_…", SECRET)
    given = f"raw_body, headers = {delivered.body!r}, {delivered.headers!r}\n" if "raw_body" in snippet else ""
    ran = subprocess.run(
        [sys.executable, "-c", given + snippet],
        cwd=ROOT,
        env={**os.environ, "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ran.returncode == 0, f"{document}:\n{ran.stderr}"


def test_there_are_examples_for_every_kind_of_use() -> None:
    """Or the tests above would test nothing without a word."""
    assert {document for document, _ in CURLS} >= {"README.md", "docs/API.md", "docs/WEBHOOKS.md"}
    assert {document for document, _ in SNIPPETS} >= {"README.md", "docs/API.md", "docs/WEBHOOKS.md"}


def test_the_payload_has_the_fields_of_the_documented_one(delivered: Received) -> None:
    [shown] = blocks(text(ROOT / "docs" / "WEBHOOKS.md"), "json")
    documented, payload = json.loads(shown), json.loads(delivered.body)
    assert documented.keys() == payload.keys()
    assert documented["data"].keys() <= payload["data"].keys()
    assert re.fullmatch(r"[\dT:.-]+Z", payload["timestamp"])
    assert payload["type"] == documented["type"]


def test_the_first_answer_is_the_one_shown(service: LiveService, sample: Sample) -> None:
    [shown] = blocks(text(ROOT / "README.md"), "json")
    expected, answer = json.loads(shown), service.transcribe(sample.path).json()
    assert answer["usage"] == expected["usage"]
    # word for word: processors differ in the last bits of their arithmetic, which may move a comma
    assert normalised(answer["text"]) == normalised(expected["text"]) == normalised(sample.text)
