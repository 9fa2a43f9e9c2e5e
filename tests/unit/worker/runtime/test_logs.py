"""Log lines say which request and job they are about, in two forms, and never a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from worker.runtime import logs

SECRETS = ("anna-7f3c",)


@pytest.fixture(autouse=True)
def root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_text_lines_end_with_what_they_are_about(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("worker", "INFO", "text")
    logging.getLogger("worker.runner").info("Hello")
    with logs.about_job("job_1"):
        logging.getLogger("worker.runner").warning("It failed")
        logging.getLogger("worker.runner").warning("job_1 failed")
    first, second, third = lines(capsys)
    assert first.endswith("INFO worker worker.runner: Hello")
    assert second.endswith("WARNING worker worker.runner: It failed [job_1]")
    assert third.endswith("job_1 failed")


def test_json_lines_are_one_object_each(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("api", "INFO", "json")
    token = logs.request_id.set("req_1")
    try:
        with logs.about_job("job_1"):
            logging.getLogger("api").info("two\nlines, %s", "ä")
        raise ValueError("Bearer abcdefgh")
    except ValueError:
        logging.getLogger("api").exception("It broke")
    finally:
        logs.request_id.reset(token)
    first, second = (json.loads(line) for line in lines(capsys))
    known: dict[str, Any] = {"level": "INFO", "program": "api", "logger": "api", "message": "two\nlines, ä"}
    assert {**first, "time": ""} == {**known, "request_id": "req_1", "job_id": "job_1", "time": ""}
    assert first["time"].endswith("+00:00")
    assert (second["message"], second["level"], "job_id" in second) == ("It broke", "ERROR", False)
    assert "ValueError: Bearer ***" in second["exception"]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "text",
    [
        "the key anna-7f3c was sent", "Authorization: Bearer {0}", "authorization=Basic {0}", "{{'x-api-key': '{0}'}}",
        "redis://:{0}@10.0.0.1:6379/0 is away", "rediss://user:{0}@host", "whsec_{0}", "sk-{0}", '"api_key": "{0}"',
        "GET /v1/jobs?api_key={0}&limit=1", "password={0}",
    ],
)  # fmt: skip
def test_no_secret_is_logged(capsys: pytest.CaptureFixture[str], form: logs.LogFormat, text: str) -> None:
    secret = "anna-7f3c" if "anna" in text else "s3cr3tVALUE+/="
    logs.set_up("api", "INFO", form, SECRETS)
    message = text.format(secret) if "{0}" in text else text
    logging.getLogger("api").info("%s", message)
    try:
        raise RuntimeError(message)
    except RuntimeError:
        logging.getLogger("api").exception("It broke")
    told = "\n".join(lines(capsys))
    assert "s3cr3tVALUE" not in told
    assert "anna-7f3c" not in told
    assert "***" in told


def test_what_is_no_secret_is_left_alone() -> None:
    text = "127.0.0.1 POST '/v1/jobs' 401 invalid_api_key; job_1 at redis://10.0.0.1:6379/0, 3 tokens"
    assert logs.redacted(text) == text
