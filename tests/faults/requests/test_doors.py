"""What strangers send, and how much of it: nobody gets in who should not, and nothing breaks what is inside."""

from __future__ import annotations

import json
import re
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from engines.transcript import Transcript
from tests.acceptance import wire
from tests.acceptance.live import LiveService, assert_error, until
from tests.services import KEYS
from worker.store.job_store import LocalStore

JOBS = "/v1/jobs"
ROUTE = "/v1/audio/transcriptions"
HOSTILE = '<img src=x onerror="alert(1)">&amp;.mp3'


def call(service: LiveService, method: str, path: str, **headers: str) -> httpx.Response:
    with service.http(**headers) as client:
        return client.request(method, path)


# ---- file names and other text -------------------------------------------------------------------------------------

NAMES = {
    "../../etc/passwd": "passwd",
    "C:\\Windows\\system32\\cmd.exe": "cmd.exe",
    "a\0b.mp3": "ab.mp3",
    "CON": "CON",
    "\U0001f3a4 Größe.mp3": "\U0001f3a4 Größe.mp3",
    "\u202egpj.mp3": "gpj.mp3",
    "..": "upload",
    "": "upload",
}


@pytest.mark.fault(52)
@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_is_shown_and_never_a_path(quick: LiveService, clip: Path, name: str) -> None:
    answer = quick.post_form(JOBS, wire.file(clip.read_bytes(), name.encode()))
    job = answer.json()
    assert (answer.status_code, job["file"]["name"]) == (202, NAMES[name])
    quick.ended(job["id"])
    directory = quick.data / "jobs" / job["id"]
    names = {"source", "job.json", "peaks.json", "transcript.json", "outcome.json"}
    until(lambda: {path.name for path in directory.iterdir()} == names, "it is tidied up")
    audio = quick.get(f"{JOBS}/{job['id']}/audio")
    assert audio.content == clip.read_bytes()
    assert audio.headers["content-disposition"].startswith("attachment; ")


@pytest.mark.fault(52)
def test_a_long_name_is_cut(quick: LiveService, clip: Path) -> None:
    job = quick.post_form(JOBS, wire.file(clip.read_bytes(), "ö".encode() * 300 + b".mp3")).json()
    assert job["file"]["name"] == "ö" * 127
    assert quick.get(f"{JOBS}/{job['id']}/audio").status_code == 200


@pytest.mark.fault(53)
@pytest.mark.parametrize("field", ["filename", "model", "language", "metadata", "prompt"])
def test_no_line_break_becomes_a_header(quick: LiveService, clip: Path, field: str) -> None:
    evil = "x\r\nset-cookie: a=1\r\n\r\n<b>"
    if field == "filename":
        answer = quick.post(
            JOBS, content=clip.read_bytes(), params={field: evil}, headers={"content-type": "audio/wav"}
        )
    else:
        value = json.dumps({"a": evil}) if field == "metadata" else evil
        answer = quick.post_form(JOBS, wire.file(clip.read_bytes()), wire.field(field, value))
    answers = [answer]
    if answer.status_code == 202:
        job = answer.json()
        answers += [quick.get(f"{JOBS}/{job['id']}/audio"), quick.get(job["urls"]["self"])]
    else:
        assert answer.status_code in (400, 404)
    for each in answers:
        assert "set-cookie" not in each.headers
        assert not [value for value in each.headers.values() if "a=1" in value and "\n" in value]


@pytest.mark.fault(54)
def test_html_in_a_file_name_and_in_a_transcript_stays_text(quick: LiveService, clip: Path) -> None:
    job_id = quick.post_form(JOBS, wire.file(clip.read_bytes(), HOSTILE.replace('"', "%22").encode())).json()["id"]
    quick.ended(job_id)
    text = " </script><script>alert(1)</script> & 1 --> 2"
    store = LocalStore(quick.data)
    store.transcripts.save(job_id, saying(store.transcript(job_id), text))
    for form in ("json", "text", "srt", "vtt", "verbose_json"):
        answer = quick.get(f"{JOBS}/{job_id}/transcript", format=form)
        assert not answer.headers["content-type"].startswith("text/html")
        assert answer.headers["x-content-type-options"] == "nosniff"
    cue = quick.get(f"{JOBS}/{job_id}/transcript", format="vtt").text.split("\n\n")[1]
    assert "<script" not in cue
    assert cue.count("-->") == 1
    assert quick.get(f"{JOBS}/{job_id}/transcript", format="srt").text.count("-->") == 1
    assert quick.get(f"{JOBS}/{job_id}").headers["content-type"] == "application/json"
    assert "<img" not in quick.get(f"/rq/0/data/job/{job_id}.json").text


def saying(transcript: Transcript, text: str) -> Transcript:
    segment = replace(transcript.segments[0], text=text)
    return replace(transcript, segments=(segment,))


@pytest.mark.fault(54)
def test_no_page_runs_what_it_does_not_bring(quick: LiveService) -> None:
    page = quick.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert not re.search(r"<script(?![^>]* src=\"/page/)|\son\w+=|style=|javascript:|https?://", page.text)


# ---- who comes in --------------------------------------------------------------------------------------------------


@pytest.mark.fault(55)
@pytest.mark.parametrize("how", ["none", "wrong", "in the query", "very long", "not ASCII", "empty", "another scheme"])
def test_a_stranger_is_refused_before_the_body_and_no_key_is_logged(keyed: LiveService, how: str) -> None:
    key = KEYS["anna"]
    headers = {
        "wrong": ["authorization: Bearer sk-wrong-0815"],
        "very long": [f"authorization: Bearer {'k' * 20_000}"],
        "not ASCII": ["authorization: Bearer sk-änna"],
        "empty": ["authorization: Bearer "],
        "another scheme": [f"authorization: Digest {key}"],
    }.get(how, [])
    path = f"{ROUTE}?api_key={key}&key={key}" if how == "in the query" else ROUTE
    head = wire.head(keyed.port, b"", headers, path).replace(b"content-length: 0", b"content-length: 900000000")
    began = time.monotonic()
    with wire.connect(keyed.port) as connection:
        connection.sendall(head)  # and not a byte of the body
        answer = start_of(connection)
    assert time.monotonic() - began < 20  # 900 MB are announced
    assert answer[0] == 401
    assert set(answer[1]["error"]) == {"message", "type", "param", "code"}
    assert answer[1]["error"]["code"] == "invalid_api_key"
    assert key not in json.dumps(answer[1])
    until(lambda: keyed.log().count(" 401 ") > 0, "it is logged")
    log = keyed.log()
    assert key not in log
    assert "sk-wrong" not in log
    assert "k" * 100 not in log


def start_of(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer whose end the server holds back."""
    connection.settimeout(5)
    data = connection.recv(65_536)
    while b"}}" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])


@pytest.mark.fault(56)
def test_another_keys_job_is_not_there(keyed: LiveService, clip: Path) -> None:
    job_id = keyed.submit(clip)
    keyed.ended(job_id)
    ben = {"authorization": f"Bearer {KEYS['ben']}"}
    here = f"{JOBS}/{job_id}"
    tries = [
        ("GET", ""),
        ("GET", "/transcript"),
        ("GET", "/audio"),
        ("GET", "/events"),
        ("POST", "/cancel"),
        ("DELETE", ""),
    ]
    for method, part in [*tries, ("GET", "/deliveries"), ("POST", "/redeliver")]:
        assert_error(call(keyed, method, here + part, **ben), 404, "job_not_found", "id")
    assert job_id not in [job["id"] for job in call(keyed, "GET", f"{JOBS}?limit=100", **ben).json()["data"]]
    assert keyed.job(job_id)["status"] == "finished"


@pytest.mark.fault(55)
def test_every_answer_carries_the_headers_that_browsers_heed(quick: LiveService, keyed: LiveService) -> None:
    paths = ["/", "/health", "/v1/models", "/v1/nothing", "/rq/", "/rq/static/x", "/rq/requeue/all", "/openapi.json"]
    answers = [service.get(path) for service in (quick, keyed) for path in paths]
    answers += [call(keyed, "GET", "/v1/models", authorization="Bearer no"), quick.post(ROUTE, content=b"x")]
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 403, 404}
    for answer in answers:
        found = answer.headers
        assert (found["x-content-type-options"], found["x-frame-options"]) == ("nosniff", "DENY")
        assert (found["referrer-policy"], found["cross-origin-resource-policy"]) == ("no-referrer", "same-origin")
        assert "frame-ancestors 'none'" in found["content-security-policy"]
        assert found["x-request-id"].startswith("req_")
        assert "server" not in found
