"""Whatever is sent, the answer is a clear error in OpenAI's shape, and nothing of it stays behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import wire
from tests.acceptance.live import LiveService, assert_error, nothing_left

ROUTES = ["/v1/audio/transcriptions", "/v1/audio/translations", "/v1/jobs"]
MEGABYTE = 1024 * 1024
FAKE_TEXT = "w0.0 w0.1 w0.2"


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.fault(33)
def test_no_file(quick: LiveService, path: str) -> None:
    with nothing_left(quick):
        message = assert_error(
            quick.post_form(path, wire.field("model", "base")), 400, "missing_required_parameter", "file"
        )
    assert "-F file=@" in message


@pytest.mark.fault(33)
def test_a_file_under_another_name(quick: LiveService, clip: Path) -> None:
    with nothing_left(quick):
        parts = wire.field("model", "base"), wire.file(clip.read_bytes(), name="audio")
        message = assert_error(quick.post_form(ROUTES[0], *parts), 400, "missing_required_parameter", "file")
    assert "'audio'" in message


@pytest.mark.fault(33)
def test_text_where_the_file_should_be(quick: LiveService) -> None:
    with nothing_left(quick):
        response = quick.post_form(ROUTES[0], wire.field("model", "base"), wire.field("file", "@recording.mp3"))
        assert_error(response, 400, "invalid_value", "file")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.fault(33)
def test_two_files(quick: LiveService, clip: Path, path: str) -> None:
    part = wire.file(clip.read_bytes())
    with nothing_left(quick):
        assert_error(quick.post_form(path, wire.field("model", "base"), part, part), 400, "invalid_value", "file")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.fault(21)
def test_an_empty_file(quick: LiveService, path: str) -> None:
    with nothing_left(quick):
        response = quick.post_form(path, wire.field("model", "base"), wire.file(b""))
        assert_error(response, 400, "empty_file", "file")


BAD_FIELDS: list[tuple[dict[str, Any], int, str, str]] = [
    ({"model": "large-v9"}, 404, "model_not_found", "model"),
    ({"language": "klingon"}, 400, "invalid_value", "language"),
    ({"language": "e"}, 400, "invalid_value", "language"),
    ({"languages[]": ["en", "xx"]}, 400, "invalid_value", "languages"),
    ({"temperature": "warm"}, 400, "invalid_value", "temperature"),
    ({"temperature": "nan"}, 400, "invalid_value", "temperature"),
    ({"temperature": "-0.1"}, 400, "invalid_value", "temperature"),
    ({"temperature": "1.01"}, 400, "invalid_value", "temperature"),
    ({"response_format": "odt"}, 400, "invalid_value", "response_format"),
    ({"timestamp_granularities[]": "word"}, 400, "invalid_value", "timestamp_granularities"),
    ({"timestamp_granularities": "segment", "response_format": "srt"}, 400, "invalid_value", "timestamp_granularities"),
    (
        {"timestamp_granularities[]": "phrase", "response_format": "verbose_json"},
        400,
        "invalid_value",
        "timestamp_granularities",
    ),
    ({"stream": "maybe"}, 400, "invalid_value", "stream"),
    ({"include[]": "everything"}, 400, "invalid_value", "include"),
    ({"chunking_strategy": "manual"}, 400, "invalid_value", "chunking_strategy"),
    ({"known_speaker_names[]": "Anna"}, 400, "invalid_value", "known_speaker_names"),
    ({"num_speakers": "0"}, 400, "invalid_value", "num_speakers"),
    ({"prompt": "a" * 20_000}, 400, "invalid_value", "prompt"),
    ({"prompt": "a" * MEGABYTE}, 400, "field_too_large", "prompt"),
]


def shows(fields: dict[str, Any]) -> int:
    """The row of the faults table."""
    if "prompt" in fields:
        return 36
    return 34 if fields.get("model") else 35


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [pytest.param(*row, id=f"{row[0]!s:.60} {row[2]}", marks=pytest.mark.fault(shows(row[0]))) for row in BAD_FIELDS],
)
def test_a_bad_field(
    quick: LiveService, clip: Path, fields: dict[str, Any], status: int, code: str, param: str
) -> None:
    with nothing_left(quick):
        assert_error(quick.transcribe(clip, **fields), status, code, param)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("priority", "urgent", "invalid_value"),
        ("task", "summarise", "invalid_value"),
        ("metadata", "[1, 2]", "invalid_value"),
        ("metadata", '{"a": ', "invalid_value"),
        ("language", "xx", "invalid_value"),
    ],
)
@pytest.mark.fault(35)
def test_a_bad_field_of_a_job(quick: LiveService, clip: Path, field: str, value: str, code: str) -> None:
    with nothing_left(quick):
        response = quick.post("/v1/jobs", data={field: value}, files={"file": clip.read_bytes()})
        assert_error(response, 400, code, field)


def test_a_bad_field_behind_the_file(quick: LiveService, clip: Path) -> None:
    with nothing_left(quick):
        parts = wire.file(clip.read_bytes()), wire.field("model", "base"), wire.field("language", "xx")
        assert_error(quick.post_form(ROUTES[0], *parts), 400, "invalid_value", "language")


@pytest.mark.fault(36)
def test_five_thousand_fields(quick: LiveService, clip: Path) -> None:
    fields = [wire.field(f"field{number}", "x") for number in range(5000)]
    with nothing_left(quick):
        assert_error(quick.post_form(ROUTES[0], *fields, wire.file(clip.read_bytes())), 400, "too_many_fields")


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("multipart/form-data", "invalid_multipart"),
        ("multipart/form-data; boundary=", "invalid_multipart"),
        (f"multipart/form-data; boundary={'x' * 5000}", "invalid_multipart"),
        ("application/json", "invalid_content_type"),
        ("application/x-www-form-urlencoded", "invalid_content_type"),
        ("", "invalid_content_type"),
    ],
)
@pytest.mark.fault(33)
def test_a_body_that_is_no_form(quick: LiveService, clip: Path, content_type: str, code: str) -> None:
    body = wire.form(wire.field("model", "base"), wire.file(clip.read_bytes()))
    with nothing_left(quick):
        response = quick.post(ROUTES[0], content=body, headers={"content-type": content_type})
        assert_error(response, 400, code, "file")


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "no body": lambda body: b"",
    "no form at all": lambda body: b"x" * 1000,
    "another boundary": lambda body: body.replace(wire.BOUNDARY.encode(), b"other"),
    "cut off in the file": lambda body: body[: len(body) // 2],
    "no last boundary": lambda body: body.removesuffix(f"--{wire.BOUNDARY}--\r\n".encode()),
    "a header without a colon": lambda body: body.replace(b"Content-Type: audio/wav", b"Content-Type audio/wav"),
    "no name": lambda body: body.replace(b'form-data; name="model"', b"form-data"),
    "no end of the headers": lambda body: body.replace(b"\r\n\r\n", b"\r\n"),
}


@pytest.mark.parametrize("path", [ROUTES[0], ROUTES[2]])
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.fault(33)
def test_a_broken_form(quick: LiveService, clip: Path, how: str, path: str) -> None:
    body = BROKEN[how](wire.form(wire.field("model", "base"), wire.file(clip.read_bytes())))
    with nothing_left(quick):
        response = quick.post(path, content=body, headers={"content-type": wire.FORM_TYPE})
        assert_error(response, 400, "invalid_multipart")


JOB = "job_0123456789ab0123456789abcdef"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("POST", "/v1/chat/completions", 404, "not_found"),
        ("POST", "/v1/audio/speech", 404, "not_found"),
        ("GET", "/v1/audio/transcriptions", 405, "method_not_allowed"),
        ("PUT", "/v1/jobs", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/models/gpt5", 404, "model_not_found"),
        ("GET", f"/v1/jobs/{JOB}", 404, "job_not_found"),
        ("GET", f"/v1/jobs/{JOB}/transcript", 404, "job_not_found"),
        ("GET", f"/v1/jobs/{JOB}/audio", 404, "job_not_found"),
        ("POST", f"/v1/jobs/{JOB}/cancel", 404, "job_not_found"),
        ("DELETE", f"/v1/jobs/{JOB}", 404, "job_not_found"),
        ("GET", "/v1/jobs/..%2F..%2Fetc%2Fpasswd", 404, "not_found"),
        ("GET", "/v1/jobs/%00", 404, "job_not_found"),
        ("GET", "/v1/jobs?limit=0", 400, "invalid_value"),
        ("GET", "/v1/jobs?limit=x", 400, "invalid_value"),
        ("GET", "/v1/jobs?after=x", 400, "invalid_value"),
        ("GET", "/v1/jobs?status=sleeping", 400, "invalid_value"),
        ("GET", f"/v1/jobs/{JOB}?wait=1000", 400, "invalid_value"),
    ],
)
@pytest.mark.fault(35)
def test_every_answer_that_is_not_2xx_has_openais_shape(
    quick: LiveService, method: str, path: str, status: int, code: str
) -> None:
    with quick.http() as client:
        response = client.request(method, path)
    assert_error(response, status, code, response.json()["error"]["param"])
    assert response.headers["x-request-id"].startswith("req_")


def test_the_service_is_well_after_all_this(quick: LiveService, clip: Path) -> None:
    assert quick.transcribe(clip).json()["text"] == FAKE_TEXT
    assert "Traceback" not in quick.log()
