"""The bytes that Bazarr, Speakr and whisper.cpp's users send, at the service as it runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests import speech
from tests.acceptance import wire
from tests.acceptance.live import LiveService, until
from tests.speech import SAMPLE_RATE

FAKE_TEXT = "w0.0 w0.1 w0.2"  # what the engine without a model hears in the clip
BOUNDARY = "4ba1a1dbbb1d0c5c7c1e1b7a3a0c9f1d"


@pytest.fixture(scope="module")
def samples(talk: speech.Recording) -> bytes:
    """Three seconds as ffmpeg hands them to Bazarr: s16le, 16 kHz, mono, and no header."""
    return (talk.samples[: 3 * SAMPLE_RATE] * 32767).astype("<i2").tobytes()


def request(port: int, target: str, agent: str, *parts: bytes) -> bytes:
    body = wire.form(*parts, boundary=BOUNDARY)
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"User-Agent: {agent}",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
        f"Content-Length: {len(body)}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def of_bazarr(samples: bytes) -> bytes:
    """`files={'audio_file': out}` of requests: the field's name is the file's, and it has no type."""
    return b'Content-Disposition: form-data; name="audio_file"; filename="audio_file"\r\n\r\n' + samples


def test_bazarr_asks_for_subtitles(quick: LiveService, samples: bytes) -> None:
    target = "/asr?task=transcribe&language=en&output=srt&encode=false&video_file=%2Ffilms%2FA+film.mkv"
    answer = wire.send(quick.port, request(quick.port, target, "Subliminal/2.1", of_bazarr(samples)))
    assert answer.status == 200, answer.body
    first = answer.body.decode().split("\n\n")[0].splitlines()
    assert (first[0], " --> " in first[1], first[2]) == ("1", True, FAKE_TEXT)
    assert answer.headers["content-disposition"] == 'attachment; filename="A%20film.mkv.srt"'
    assert "x-whisper-warnings" not in answer.headers, "a header without a length is no damage"


def test_bazarr_asks_for_the_language(quick: LiveService, samples: bytes) -> None:
    target = "/detect-language?encode=false"
    answer = wire.send(quick.port, request(quick.port, target, "Subliminal/2.1", of_bazarr(samples)))
    assert answer.status == 200, answer.body
    found = answer.json()
    assert (found["detected_language"], found["language_code"]) == ("english", "en")
    assert 0 < found["confidence"] <= 1


def test_a_language_costs_a_few_windows_and_not_the_film(quick: LiveService, talk: speech.Recording) -> None:
    long = (np.tile(talk.samples, 8) * 32767).astype("<i2").tobytes()
    before = quick.job_ids()
    answer = wire.send(quick.port, request(quick.port, "/detect-language?encode=false", "x", of_bazarr(long)))
    assert answer.status == 200, answer.body
    [job_id] = quick.job_ids() - before
    transcript = json.loads((quick.data / "jobs" / job_id / "transcript.json").read_text(encoding="utf-8"))
    assert transcript["duration"] < len(long) / 2 / SAMPLE_RATE / 2


def test_speakr_reads_json(quick: LiveService, clip: Path) -> None:
    target = (
        "/asr?encode=true&task=transcribe&output=json&diarize=false&enable_diarization=false&initial_prompt=Redis"
        "&hotwords=RQ"
    )
    part = wire.file(clip.read_bytes(), b"meeting.webm", "audio_file", "audio/webm")
    answer = wire.send(quick.port, request(quick.port, target, "python-httpx/0.28.1", part))
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("text/plain")
    found = answer.json()
    assert (found["text"], found["language"]) == (FAKE_TEXT, "en")
    assert [(each["start"] < each["end"], each["text"].strip()) for each in found["segments"]] == [(True, FAKE_TEXT)]


def test_the_curl_of_whisper_cpps_readme(quick: LiveService, clip: Path) -> None:
    parts = [wire.file(clip.read_bytes(), b"clip.wav", "file", "application/octet-stream")]
    fields = {"temperature": "0.0", "temperature_inc": "0.2", "prompt": "<prompt>", "carry_initial_prompt": "true"}
    parts += [wire.field(name, value) for name, value in fields.items()]
    for wanted in ("json", "verbose_json"):
        sent = [*parts, wire.field("response_format", wanted)]
        answer = wire.send(quick.port, request(quick.port, "/inference", "curl/8.5.0", *sent))
        assert answer.status == 200, answer.body
        assert answer.json()["text"] == f" {FAKE_TEXT}\n"
    assert answer.json()["segments"][0]["words"][0]["word"].strip() == "w0.0"


def test_a_client_that_leaves_is_waited_for_no_longer(slow: LiveService, samples: bytes) -> None:
    """While it stays, it may wait past the time that others have; once it has left, nobody works for it."""
    before = slow.job_ids()
    with wire.connect(slow.port) as connection:
        connection.sendall(request(slow.port, "/asr?encode=false&output=txt", "x", of_bazarr(samples)))
        until(lambda: slow.job_ids() - before, "it is a job")
        answer = wire.receive(connection)
    assert (answer.status, answer.body.decode().strip()) == (200, FAKE_TEXT), "3 s, where others have 2"


@pytest.mark.parametrize("path", ["/asr", "/detect-language", "/inference"])
def test_a_key_in_the_address(keyed: LiveService, clip: Path, path: str) -> None:
    name = "file" if path == "/inference" else "audio_file"
    assert keyed.key
    with keyed.http() as client:
        files = {name: ("clip.wav", clip.read_bytes())}
        client.headers.pop("authorization")
        assert client.post(path, files=files).status_code == 401
        assert client.post(path, files=files, auth=("x", keyed.key)).status_code == 200
        refused = client.post(path, files={name: bytes(2 * 1024 * 1024)}, auth=("x", keyed.key))
    assert refused.status_code == 413
    assert list(refused.json()) == (["error"] if path == "/inference" else ["detail"])
