"""How long files say they are: right for honest ones, bounded for all others."""

from __future__ import annotations

import io
import math
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from api.intake import declared_duration
from api.intake.declared_duration import ASSUMED_MOST, ASSUMED_RATE, MAX_SECONDS, declared_seconds
from tests import media


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a", "a.ogg"])
def test_honest_files_say_it(tmp_path: Path, name: str) -> None:
    samples = (0.1 * np.sin(np.arange(7 * 16_000) / 20)).astype(np.float32)
    path = media.write(tmp_path / name, samples)
    (tmp_path / "source").write_bytes(path.read_bytes())  # without its name
    with open(tmp_path / "source", "rb") as file:
        assert declared_seconds(file, path.stat().st_size) == pytest.approx(7, abs=0.3)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"RIFF", b"fLaC" + bytes(50), b"OggS" + bytes(100), b"ID3\x04" + b"\xff" * 40, bytes(5000)]
)
def test_others_are_guessed_by_their_size(content: bytes) -> None:
    assert declared_seconds(io.BytesIO(content), len(content)) == len(content) / ASSUMED_RATE
    assert declared_seconds(io.BytesIO(content), 10**12) == ASSUMED_MOST


def test_a_header_without_a_sense_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in (math.nan, -1.0, 0.0):
        tag = SimpleNamespace(duration=seconds)
        monkeypatch.setattr("tinytag.TinyTag.get", lambda tag=tag, **_: tag)
        assert declared_seconds(io.BytesIO(b"x"), 1) == 1 / ASSUMED_RATE


def test_no_content_breaks_it_or_is_believed_beyond_two_days() -> None:
    random.seed(1)
    starts = [
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"fLaC",
        b"OggS",
        b"ID3\x03\x00\x00",
        b"\xff\xfb\x90",
        b"\0\0\0 ftypM4A ",
    ]
    for number in range(600):
        content = starts[number % len(starts)] + random.randbytes(random.randrange(400))
        assert 0 <= declared_seconds(io.BytesIO(content), len(content)) <= MAX_SECONDS


def test_no_more_is_read_than_the_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(declared_duration, "MAX_READ", 1000)
    read = 0

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal read
            data = super().read(size)
            read += len(data)
            return data

    content = b"\xff\xfb\x90\x00" + bytes(1_000_000)
    assert declared_seconds(Counting(content), len(content)) > 0
    assert read <= 1001
