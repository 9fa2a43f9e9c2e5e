"""Uploads that are too large, break off, come without a key or bear a strange name."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.acceptance import wire
from tests.acceptance.live import LiveService, assert_error, nothing_left, until

ROUTES = ["/v1/audio/transcriptions", "/v1/audio/translations", "/v1/jobs"]
MEGABYTE = 1024 * 1024


@pytest.mark.fault(31)
def test_too_large_by_its_own_word(keyed: LiveService) -> None:
    with nothing_left(keyed):
        body = wire.form(wire.field("model", "base"), wire.file(bytes(3 * MEGABYTE)))
        response = keyed.post(ROUTES[0], content=body, headers={"content-type": wire.FORM_TYPE})
        message = assert_error(response, 413, "file_too_large", "file")
    assert "1048576" in message
    assert "WHISPER_MAX_UPLOAD_MB" in message


@pytest.mark.parametrize("path", [ROUTES[0], ROUTES[2]])
@pytest.mark.fault(32)
def test_too_large_without_a_length(keyed: LiveService, path: str) -> None:
    body = wire.form(wire.field("model", "base"), wire.file(bytes(3 * MEGABYTE)))
    pieces = (body[at : at + 65_536] for at in range(0, len(body), 65_536))
    with nothing_left(keyed):
        assert_error(
            keyed.post(path, content=pieces, headers={"content-type": wire.FORM_TYPE}), 413, "file_too_large", "file"
        )


def test_the_largest_upload_is_taken(keyed: LiveService) -> None:
    response = keyed.post("/v1/jobs", files={"file": bytes(MEGABYTE)})
    assert response.status_code == 202
    assert keyed.post("/v1/jobs", files={"file": bytes(MEGABYTE + 1)}).status_code == 413


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.fault(15)
def test_a_client_that_leaves_in_mid_upload(quick: LiveService, path: str) -> None:
    body = wire.form(wire.field("model", "base"), wire.file(bytes(3 * MEGABYTE)))
    before = quick.traces()
    with wire.connect(quick.port) as connection:
        connection.sendall(wire.head(quick.port, body, path=path) + body[: 2 * MEGABYTE])
        until(lambda: any(name.startswith("incoming/") for name in quick.traces() - before), "the upload has begun")
    until(lambda: quick.traces() <= before, "the upload is removed", timeout=20)


@pytest.mark.fault(15)
def test_a_client_that_resets_the_connection_in_mid_upload(quick: LiveService) -> None:
    body = wire.form(wire.field("model", "base"), wire.file(bytes(MEGABYTE)))
    with nothing_left(quick), wire.connect(quick.port) as connection:
        connection.sendall(wire.head(quick.port, body) + body[: MEGABYTE // 2])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # close sends a reset


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Bearer ", "Basic d3Jvbmc=", "sk-anna-3c1f7e"])
def test_a_missing_or_wrong_key(keyed: LiveService, clip: Path, path: str, authorization: str | None) -> None:
    body = wire.form(wire.field("model", "base"), wire.file(clip.read_bytes()))
    headers = [f"authorization: {authorization}"] if authorization is not None else []
    with nothing_left(keyed):
        answer = wire.send(keyed.port, wire.head(keyed.port, body, headers, path) + body)
        assert answer.status == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"] == "Bearer"


NAMES: dict[bytes, str] = {
    b"../../../etc/passwd": "passwd",
    b"C:\\Users\\anna\\talk.wav": "talk.wav",
    b"..": "upload",
    b"": "upload",
    b"a\0b.wav": "ab.wav",
    b"a%0D%0Ab.wav": "a%0D%0Ab.wav",  # as browsers send CR LF
    b"a\tb\x1b[31m.wav": "ab[31m.wav",
    "🎙️ Größe.wav".encode(): "🎙️ Größe.wav",
    b"x" * 300 + b".wav": "x" * 255,
    "ä".encode() * 300: "ä" * 127,
    "a\u202egpj.wav".encode(): "agpj.wav",
    b"Gr\xf6\xdfe.wav": "Größe.wav",  # Latin-1, from old clients
}


@pytest.mark.parametrize("filename", NAMES, ids=lambda name: repr(name)[:40])
def test_a_strange_file_name_is_only_ever_shown(quick: LiveService, clip: Path, filename: bytes) -> None:
    response = quick.post_form("/v1/jobs", wire.file(clip.read_bytes(), filename))
    assert response.status_code == 202, response.text
    job = quick.ended(response.json()["id"])
    assert (job["status"], job["file"]["name"]) == ("finished", NAMES[filename])
    directory = quick.data / "jobs" / job["id"]
    names = {"job.json", "outcome.json", "source", "peaks.json", "transcript.json"}
    until(lambda: {path.name for path in directory.iterdir()} == names, "it is tidied up")
    audio = quick.get(job["urls"]["audio"])
    assert audio.content == clip.read_bytes()
    assert "\n" not in audio.headers["content-disposition"]


BREAKING: dict[bytes, str | None] = {  # and what they look like to the form's parser; None: like a broken form
    b"a\r\nb.wav": None,
    b"a\nX-Injected: 1\r\n\r\n.wav": '"aX-Injected: 1',
    b'a".wav': 'a".wav',
    b"a\\": "a",
}


@pytest.mark.parametrize("filename", BREAKING)
def test_a_file_name_that_breaks_its_header_is_harmless(quick: LiveService, clip: Path, filename: bytes) -> None:
    before = quick.traces()
    response = quick.post_form("/v1/jobs", wire.file(clip.read_bytes(), filename))
    if name := BREAKING[filename]:
        assert response.json()["file"]["name"] == name
        assert "x-injected" not in quick.get(response.json()["urls"]["audio"]).headers
    else:
        assert_error(response, 400, "invalid_multipart")
        assert quick.traces() <= before
