"""What the service logs: lines a machine can read, each naming the request and the job it is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import media
from tests.acceptance.live import LiveService, until
from tests.services import Start

KEY = "logged-never-77"


@pytest.fixture(scope="module")
def talkative(start_service: Start) -> LiveService:
    return start_service(
        "talkative",
        key=KEY,
        WHISPER_ENGINE="fake",
        WHISPER_LOG_FORMAT="json",
        WHISPER_LOG_LEVEL="DEBUG",
        WHISPER_API_KEYS=f"anna:{KEY}",
    )


def lines(service: LiveService) -> list[dict[str, Any]]:
    """Every line; fails where one is no JSON."""
    return [json.loads(line) for line in service.log().splitlines()]


def of(service: LiveService, program: str, name: str, value: str) -> list[dict[str, Any]]:
    """The program's lines that are about this request or job."""
    return [line for line in lines(service) if line["program"] == program and line.get(name) == value]


def test_json_lines_name_request_and_job(talkative: LiveService, tmp_path: Path) -> None:
    broken = media.random_bytes(tmp_path / "random.mp3")
    with open(broken, "rb") as file:
        answer = talkative.post("/v1/jobs", files={"file": file})
    job_id = answer.json()["id"]
    assert talkative.ended(job_id)["status"] == "failed"
    until(lambda: of(talkative, "worker", "job_id", job_id), "the worker's line is there")
    about = of(talkative, "api", "request_id", answer.headers["x-request-id"])
    (taken,) = [line for line in about if line["logger"] == "api.http.access"]
    assert (taken["job_id"], " 202 " in taken["message"]) == (job_id, True)
    found = lines(talkative)
    assert {"service", "worker", "api"} <= {line["program"] for line in found}
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in found)


def test_no_key_is_logged_at_any_level(talkative: LiveService) -> None:
    with talkative.http() as client:
        client.get("/v1/jobs", params={"api_key": KEY})
        client.get("/v1/models", headers={"authorization": f"Bearer {KEY}x"})
        client.post("/v1/jobs", content=b"x", headers={"content-type": "audio/wav", "x-api-key": KEY})
    until(lambda: talkative.log().count("/v1/models") > 0, "logged")
    assert KEY not in talkative.log()
