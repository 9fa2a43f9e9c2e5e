"""Requests made up from our own OpenAPI document, and forms made up byte by byte: whatever comes, the answer is a
documented one, an error has OpenAI's shape, and nothing is a 500."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from fakeredis import FakeRedis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from api.app import create_app
from tests.acceptance import wire
from tests.acceptance.live import LiveService
from tests.unit.api_service import api_settings, worker_settings
from worker.store.job_store import LocalStore

pytest_plugins = ["schemathesis.pytest.plugin"]

EXAMPLES = int(os.environ.get("FAULTS_EXAMPLES", "40"))  # of each operation
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,  # the same requests in every run, unless more are asked for
    database=None,
    suppress_health_check=list(HealthCheck),
)


def document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        store = LocalStore(Path(directory))
        return create_app(api_settings(), worker_settings(), store=store, redis=FakeRedis()).openapi()


@schemathesis.serializer("audio/wav", "video/mp4")
def recording(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """A body that is the recording itself."""
    data = getattr(value, "data", value)  # what schemathesis wraps bytes in
    return data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogatepass")


SCHEMA = schemathesis.openapi.from_dict(document())


def check(response: httpx.Response) -> None:
    """An answer under /v1 that is not 2xx has OpenAI's shape."""
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/json", response.text
        error = json.loads(response.content)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"]


@pytest.fixture(scope="module")
def jobs(quick: LiveService, clip: Path) -> list[str]:
    """Some ended ones: whatever a request does to one of them, others are left."""
    found = [quick.submit(clip) for _ in range(10)]
    for job_id in found:
        quick.ended(job_id)
    return found


@pytest.mark.fault(35)
@SCHEMA.exclude(path="/v1/jobs/events").parametrize()  # whose answer has no end
@BOUNDED
def test_a_made_up_request_gets_a_documented_answer(quick: LiveService, jobs: list[str], case: Case[Any]) -> None:
    given_id = str(case.path_parameters.get("job_id", ""))
    if given_id and len(given_id) % 2:  # half of the requests are about a job there is
        case.path_parameters["job_id"] = jobs[len(given_id) % len(jobs)]
    response = case.call(base_url=quick.url, timeout=60)
    case.validate_response(response, checks=[not_a_server_error, status_code_conformance, response_schema_conformance])
    if case.path.startswith("/v1") and response.status_code >= 400:
        assert json.loads(response.content)["error"]["code"]


NAMES = st.sampled_from(
    ["file", "model", "language", "prompt", "temperature", "response_format", "timestamp_granularities[]", "stream",
     "languages[]", "metadata", "priority", "webhook_url", "chunking_strategy[type]", "file[]", "", "x", "model[]"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["whisper-1", "en", "json", "verbose_json", "word", "true", "0.5", "null", "{}", "auto", "[]"]),
    st.text(max_size=50),
)
HEADERS = st.one_of(
    st.builds(lambda name: f'Content-Disposition: form-data; name="{name}"'.encode(), NAMES),
    st.builds(lambda name: f'Content-Disposition: form-data; name="{name}"; filename="a.wav"'.encode(), NAMES),
    st.just(b"Content-Type: audio/wav"),
    st.binary(max_size=40),
)
PARTS = st.builds(
    lambda headers, content: b"\r\n".join(headers) + b"\r\n\r\n" + content,
    st.lists(HEADERS, max_size=3),
    st.one_of(st.binary(max_size=200), VALUES.map(lambda text: text.encode("utf-8", "surrogatepass"))),
)
BODIES = st.one_of(
    st.lists(PARTS, max_size=6).map(lambda parts: wire.form(*parts)),
    st.builds(lambda parts, cut: wire.form(*parts)[:-cut], st.lists(PARTS, max_size=4), st.integers(1, 60)),
    st.binary(max_size=300),
)
TYPES = st.one_of(st.just(wire.FORM_TYPE), st.sampled_from(["multipart/form-data", "audio/wav", "text/plain", ""]))


@pytest.mark.fault(33)
@pytest.mark.fault(35)
@settings(BOUNDED, max_examples=EXAMPLES * 10)
@given(path=st.sampled_from(["/v1/audio/transcriptions", "/v1/jobs"]), body=BODIES, kind=TYPES)
def test_a_made_up_form_gets_an_answer_with_openais_shape(
    client: httpx.Client, path: str, body: bytes, kind: str
) -> None:
    check(client.post(path, content=body, headers={"content-type": kind}))


@pytest.fixture(scope="module")
def client(quick: LiveService) -> Iterator[httpx.Client]:
    with quick.http() as client:
        yield client


@pytest.mark.fault(35)
@pytest.mark.parametrize(
    ("value", "status"),
    [("bytes=5-2", 200), ("bytes=x", 200), ("bytes=-", 200), ("lines=1-2", 200), ("bytes=0-1,3-4", 206),
     (f"bytes={10**30}-", 200),
     ("bytes=-5", 206), ("bytes=2-", 206), ("bytes=99999999-", 416), ("bytes=-0", 416), ("bytes=0-1,99999999-", 416)],
)  # fmt: skip
def test_a_strange_range_of_the_audio(client: httpx.Client, jobs: list[str], value: str, status: int) -> None:
    response = client.get(f"/v1/jobs/{jobs[0]}/audio", headers={"range": value})
    assert response.status_code == status, response.text
    check(response)
    if status == 416:
        assert response.headers["content-range"].startswith("bytes */")
