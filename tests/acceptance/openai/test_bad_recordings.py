"""What only decoding finds out: a waiting client gets the error, a job fails with it, and nothing else is left."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import media, speech
from tests.acceptance.live import LiveService, assert_error

PAGE = "<!DOCTYPE html><html><head><title>Login</title></head><body>" + "<p>Please log in.</p>" * 200 + "</body></html>"
UNDECODABLE: dict[str, tuple[Callable[[Path], Path], int, str]] = {
    "random bytes": (media.random_bytes, 400, "unsupported_media"),
    "text": (lambda path: _written(path, b"This is a text, and no sound. " * 200), 400, "unsupported_media"),
    "html": (lambda path: _written(path, PAGE.encode()), 400, "unsupported_media"),
    "json": (lambda path: _written(path, b'{"error": "no such recording"}' * 50), 400, "unsupported_media"),
    "gzip": (lambda path: _written(path, gzip.compress(b"a tape of 1987" * 500)), 400, "unsupported_media"),
    "one byte": (lambda path: _written(path, b"R"), 400, "unsupported_media"),
    "a playlist": (
        lambda path: _written(path, b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n"),
        400,
        "unsupported_media",
    ),
    "header-only wav": (media.header_only_wav, 400, "empty_audio"),
    "m4a without moov": (lambda path: _m4a_without_moov(path), 400, "unsupported_media"),
    "video without audio": (lambda path: _film(path), 422, "no_audio_stream"),
}


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _m4a_without_moov(path: Path) -> Path:
    whole = media.write(path.with_name("whole.m4a"), speech.tone(5))
    return media.truncated(path, whole, 0.5)


def _film(path: Path) -> Path:
    return media.write_silent_film(path.with_name("film.mp4")).rename(path)


ROWS = {"header-only wav": 25, "m4a without moov": 23, "video without audio": 27}  # of the faults table; others: 22


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.fault(ROWS.get(name, 22))) for name in UNDECODABLE]
)
def test_what_is_no_sound(quick: LiveService, tmp_path: Path, name: str) -> None:
    """Whatever its name says. A waiting client gets the error, a job fails with it."""
    make, status, code = UNDECODABLE[name]
    path = make(tmp_path / "recording.mp3")
    before = quick.job_ids()
    message = assert_error(quick.transcribe(path), status, code, "file")
    assert ("cut off" in message) == (name == "m4a without moov")
    job = quick.ended(quick.submit(path))
    assert (job["status"], job["error"]) == ("failed", {"code": code, "message": message})
    assert_error(quick.get(job["urls"]["transcript"]), status, code, "file")
    assert quick.get(job["urls"]["audio"]).content == path.read_bytes()

    [waited] = quick.job_ids() - before - {job["id"]}
    assert_error(quick.get(f"/v1/jobs/{waited}/audio"), 410, "audio_deleted", "id")
    with quick.redis() as redis:
        assert [redis.llen(f"rq:queue:{queue}") for queue in ("interactive", "batch")] == [0, 0]


@pytest.mark.parametrize("name", ["half.mp3", "half.wav", "half.flac"])
@pytest.mark.fault(24)
def test_what_is_there_of_a_cut_off_recording_is_transcribed_with_a_warning(
    quick: LiveService, talk: speech.Recording, tmp_path: Path, name: str
) -> None:
    whole = media.write(tmp_path / f"whole{Path(name).suffix}", talk.samples[: 12 * speech.SAMPLE_RATE])
    path = media.truncated(tmp_path / name, whole, 0.5)
    job = quick.ended(quick.submit(path, response_format="verbose_json"))
    assert job["status"] == "finished"
    codes = [row["code"] for row in job["warnings"]]
    assert set(codes) - {"damaged_input"} == {"truncated_input"}  # half a frame of FLAC is damaged, too
    answer = quick.get(job["urls"]["transcript"]).json()
    assert answer["duration"] == pytest.approx(6, abs=0.5)
    assert len(answer["text"].split()) >= 4
    assert [row["code"] for row in answer["warnings"]] == codes
