"""The test files are the kinds they are meant to be."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.error import InvalidDataError

from tests import media, speech

TUNE = speech.tone(3)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "m4a", "ogg", "webm", "mp4"])
def test_every_kind_gives_the_sound_back_in_its_place(tmp_path: Path, suffix: str) -> None:
    back = media.read(media.write(tmp_path / f"tune.{suffix}", TUNE))
    assert len(back) == pytest.approx(len(TUNE), abs=800)
    both = min(len(back), len(TUNE))
    assert np.corrcoef(back[:both], TUNE[:both])[0, 1] > 0.99


def test_stereo_has_two_channels(tmp_path: Path) -> None:
    with av.open(str(media.write(tmp_path / "tune.mp3", TUNE, layout="stereo"))) as container:
        assert container.streams.audio[0].codec_context.channels == 2


def test_a_film_has_a_picture_and_a_silent_one_no_sound(tmp_path: Path) -> None:
    with av.open(str(media.write(tmp_path / "film.mp4", TUNE))) as container:
        assert (len(container.streams.video), len(container.streams.audio)) == (1, 1)
    with av.open(str(media.write_silent_film(tmp_path / "silent.mp4"))) as container:
        assert (len(container.streams.video), len(container.streams.audio)) == (1, 0)


def test_a_header_alone_promises_sound_and_has_none(tmp_path: Path) -> None:
    path = media.header_only_wav(tmp_path / "empty.wav")
    assert path.stat().st_size == 44
    assert len(media.read(path)) == 0


@pytest.mark.parametrize("suffix", ["wav", "mp3"])
def test_a_truncated_file_plays_up_to_its_end(tmp_path: Path, suffix: str) -> None:
    whole = media.write(tmp_path / f"whole.{suffix}", TUNE)
    back = media.read(media.truncated(tmp_path / f"part.{suffix}", whole, 0.5))
    assert 0.4 < len(back) / len(TUNE) < 0.6


def test_an_m4a_without_its_end_cannot_be_opened(tmp_path: Path) -> None:
    part = media.truncated(tmp_path / "part.m4a", media.write(tmp_path / "whole.m4a", TUNE))
    assert b"moov" not in part.read_bytes()
    with pytest.raises(InvalidDataError):
        media.read(part)


def test_random_bytes_are_no_sound(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError):
        media.read(media.random_bytes(tmp_path / "noise.mp3"))


def test_a_flipped_file_keeps_its_length_and_not_its_bytes(tmp_path: Path) -> None:
    whole = media.write(tmp_path / "whole.mp3", TUNE)
    damaged = media.flipped(tmp_path / "damaged.mp3", whole, count=20).read_bytes()
    assert len(damaged) == whole.stat().st_size
    assert 0 < sum(a != b for a, b in zip(damaged, whole.read_bytes(), strict=True)) <= 20
