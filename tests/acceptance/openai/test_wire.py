"""What clients really put on the wire: n8n, curl, streams, headers, names of hosted models."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.acceptance import wire
from tests.acceptance.live import LiveService
from tests.acceptance.subtitles import read_srt, read_vtt, text_of

FAKE_TEXT = "w0.0 w0.1 w0.2"  # what the engine without a model hears in the clip


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_fields_stand_in_any_order(quick: LiveService, clip: Path, at: int) -> None:
    parts = [wire.field(*row) for row in (("model", "base"), ("response_format", "vtt"), ("language", "en"))]
    parts.insert(at, wire.file(clip.read_bytes()))
    body = wire.form(*parts)
    answer = wire.send(quick.port, wire.head(quick.port, body) + body)
    assert answer.status == 200
    assert text_of(read_vtt(answer.body.decode())) == FAKE_TEXT


def test_n8ns_openai_node(quick: LiveService, clip: Path) -> None:
    before = quick.job_ids()
    body = wire.form(
        wire.field("model", "whisper-1"),
        wire.field("language", "en"),
        wire.field("temperature", "0"),
        wire.file(clip.read_bytes(), "Größe 1.wav".encode()),
    )
    headers = [
        "Accept: application/json,text/html,application/xhtml+xml,application/xml,text/*;q=0.9, image/*;q=0.8, "
        "*/*;q=0.7",
        "openai-organization: ",
        "user-agent: n8n",
        "Authorization: Bearer anything",
        "accept-encoding: gzip, deflate, br",
    ]
    answer = wire.send(quick.port, wire.head(quick.port, body, headers) + body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "text": FAKE_TEXT,
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 3},
    }
    [job_id] = quick.job_ids() - before
    assert quick.job(job_id)["file"]["name"] == "Größe 1.wav"


def test_n8ns_credential_test(quick: LiveService) -> None:
    answer = quick.get("/v1/models").json()
    assert answer["object"] == "list"
    assert {"base", "whisper-1"} <= {row["id"] for row in answer["data"]}
    for row in answer["data"]:
        assert set(row) >= {"id", "object", "created", "owned_by"}
        assert (row["object"], type(row["created"])) == ("model", int)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl(quick: LiveService, clip: Path) -> None:
    command = ["curl", "--silent", "--noproxy", "*", f"{quick.url}/v1/audio/transcriptions"]
    form = ["-F", f"file=@{clip}", "-F", "model=whisper-1", "-F", "response_format=srt"]
    ended = subprocess.run([*command, *form], capture_output=True, text=True, timeout=60, check=True)
    assert text_of(read_srt(ended.stdout)) == FAKE_TEXT


def test_an_upload_without_a_length(quick: LiveService, clip: Path) -> None:
    """Chunked, as streaming clients send."""
    body = wire.form(wire.field("model", "base"), wire.file(clip.read_bytes()))
    kind = {"content-type": f"multipart/form-data; boundary={wire.BOUNDARY}"}
    answer = quick.post(
        "/v1/audio/transcriptions", content=iter([body[:100], body[100:9000], body[9000:]]), headers=kind
    )
    assert answer.json()["text"] == FAKE_TEXT


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/translations"])
def test_prefer_respond_async_makes_it_a_job(quick: LiveService, clip: Path, path: str) -> None:
    response = quick.post(
        path,
        data={"model": "whisper-1", "response_format": "text"},
        files={"file": clip.read_bytes()},
        headers={"prefer": "respond-async, wait=10"},
    )
    assert response.status_code == 202
    assert response.headers["preference-applied"] == "respond-async"
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}" == job["urls"]["self"]
    assert job["task"] == ("translate" if path.endswith("translations") else "transcribe")
    assert quick.ended(job["id"])["status"] == "finished"
    assert quick.get(job["urls"]["transcript"]).text == f"{FAKE_TEXT}\n"


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe-2025-12-15", "base"])
def test_names_of_the_hosted_models(quick: LiveService, clip: Path, model: str) -> None:
    assert quick.transcribe(clip, model=model).json()["text"] == FAKE_TEXT


def test_a_kept_connection_serves_one_request_after_another(quick: LiveService, clip: Path) -> None:
    with httpx.Client(base_url=quick.url, trust_env=False, limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(3):
            answer = client.post("/v1/audio/transcriptions", data={"model": "x-no"}, files={"file": clip.read_bytes()})
            assert answer.status_code == 404
            answer = client.post("/v1/audio/transcriptions", data={"model": "base"}, files={"file": clip.read_bytes()})
            assert answer.json()["text"] == FAKE_TEXT
