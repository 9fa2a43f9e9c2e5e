"""Copies that browsers play: only if they are better, of the wanted track, and of whatever strangers send."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from engines.audio import playable
from engines.audio.playable import main, write_playable
from tests import media, odd_media

SAMPLES = (0.2 * np.sin(np.arange(3 * 16_000) / 10)).astype(np.float32)


class Pipe(io.RawIOBase):
    """What a browser's recorder writes to: it cannot go back, so a file says neither its length nor what lies where."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # bytes are all that FFmpeg writes
        self.content += bytes(data)
        return len(data)


def recorded(path: Path) -> Path:
    """As MediaRecorder writes it."""
    pipe = Pipe()
    with av.open(pipe, "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        for frame in media._frames(media.resampled(SAMPLES, 16_000, 48_000), 48_000):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path.write_bytes(pipe.content)
    return path


def written(path: Path, codec: str, rate: int = 16_000, kind: str | None = None) -> Path:
    with av.open(str(path), "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        for frame in media._frames(media.resampled(SAMPLES, 16_000, rate), rate):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def facts(path: Path) -> tuple[str, str, float]:
    """Container, codec, and seconds as the file says them."""
    with av.open(str(path)) as container:
        assert container.duration is not None
        (stream,) = container.streams
        return container.format.name.partition(",")[0], stream.codec_context.name, container.duration / 1e6


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "m4a", "mp4", "ogg", "webm"])
def test_what_plays_well_is_not_copied(tmp_path: Path, suffix: str) -> None:
    source = media.write(tmp_path / f"a.{suffix}", SAMPLES)
    assert main(source, tmp_path / "playable", 1) == 0
    assert (tmp_path / "playable").read_bytes() == b""


def test_what_a_browser_recorded_gets_a_length(tmp_path: Path) -> None:
    source = recorded(tmp_path / "source")
    with av.open(str(source)) as container:
        assert container.duration is None
    assert main(source, tmp_path / "playable", 1) == 0
    kind, codec, seconds = facts(tmp_path / "playable")
    assert (kind, codec in ("opus", "libopus")) == ("matroska", True)
    assert seconds == pytest.approx(3, abs=0.1)
    assert len(media.read(tmp_path / "playable")) == pytest.approx(48_000, abs=2_000)
    assert main(tmp_path / "playable", tmp_path / "again", 1) == 0
    assert (tmp_path / "again").read_bytes() == b"", "the copy itself plays well"


@pytest.mark.parametrize(
    ("name", "codec", "rate", "kind", "becomes"),
    [
        ("a.aac", "aac", 44_100, "adts", "mov"),
        ("a.amr", "libopencore_amrnb", 8_000, "amr", "mov"),
        ("a.aiff", "pcm_s16be", 16_000, "aiff", "mov"),
        ("a.tta", "tta", 16_000, "tta", "mov"),
        ("a.wav", "pcm_mulaw", 8_000, "wav", "mov"),
        ("a.mka", "flac", 16_000, "matroska", "flac"),
    ],
)
def test_other_containers_and_codecs(tmp_path: Path, name: str, codec: str, rate: int, kind: str, becomes: str) -> None:
    try:
        source = written(tmp_path / name, codec, rate, kind)
    except ValueError:
        pytest.skip(f"this FFmpeg writes no {codec}")
    assert main(source, tmp_path / "playable", 1) == 0
    found, _, seconds = facts(tmp_path / "playable")
    assert found == becomes
    assert seconds == pytest.approx(3, abs=0.2)


def test_an_mp3_without_its_table_gets_one(tmp_path: Path) -> None:
    source = media.write(tmp_path / "a.mp3", SAMPLES)
    content = source.read_bytes()
    assert b"Info" in content or b"Xing" in content
    source.write_bytes(content.replace(b"Info", b"\0\0\0\0").replace(b"Xing", b"\0\0\0\0"))
    assert main(source, tmp_path / "playable", 1) == 0
    copy = (tmp_path / "playable").read_bytes()
    assert b"Info" in copy or b"Xing" in copy


def test_several_recordings_in_a_file_play_one_after_the_other(tmp_path: Path) -> None:
    source = media.write(tmp_path / "a.wav", SAMPLES)
    source.write_bytes(source.read_bytes() * 2)
    assert main(source, tmp_path / "playable", 1) == 0
    kind, codec, seconds = facts(tmp_path / "playable")
    assert (kind, codec) == ("mov", "aac")
    assert seconds == pytest.approx(6, abs=0.1)
    assert np.abs(media.read(tmp_path / "playable")[4 * 16_000 :]).max() > 0.1
    assert main(source, tmp_path / "other", 9) == playable.UNFIT


def test_an_avi_that_begins_late_plays_as_it_was_transcribed(tmp_path: Path) -> None:
    source = odd_media.restamped(tmp_path / "a.avi", SAMPLES, lambda at: at + 2, "aac")
    assert main(source, tmp_path / "playable", 1) == 0
    assert facts(tmp_path / "playable")[2] == pytest.approx(5, abs=0.2)
    assert np.abs(media.read(tmp_path / "playable")[8_000:30_000]).max() < 0.01


def test_the_track_that_was_transcribed_is_the_one_that_plays(tmp_path: Path) -> None:
    quiet = np.zeros_like(SAMPLES)
    source = odd_media.tracks(tmp_path / "a.mkv", [quiet, SAMPLES])
    assert main(source, tmp_path / "playable", 2) == 0
    assert facts(tmp_path / "playable")[0] == "mov"
    assert np.abs(media.read(tmp_path / "playable")).max() > 0.1


@pytest.mark.parametrize("track", [1, 9])
def test_of_what_is_no_recording_nothing_is_left(tmp_path: Path, track: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(
        b"#EXTM3U\n/etc/passwd\n" if track == 1 else media.write(tmp_path / "a.wav", SAMPLES).read_bytes()
    )
    assert main(source, tmp_path / "playable", track) == playable.UNFIT
    assert not list(tmp_path.glob("playable*"))


def test_the_copy_goes_with_a_recording_that_is_deleted_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = recorded(tmp_path / "source")

    def written_late(source: Path, target: Path, track: int) -> None:
        write_playable(source, target, track)
        source.unlink()

    monkeypatch.setattr(playable, "write_playable", written_late)
    main(source, tmp_path / "playable", 1)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_no_fault_of_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise av.error.OSError(errno.ENOSPC, "No space left on device")

    source = recorded(tmp_path / "source")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        main(source, tmp_path / "playable", 1)
    assert not list(tmp_path.glob("playable*"))


def test_of_a_damaged_one_there_is_what_can_be_read(tmp_path: Path) -> None:
    source = recorded(tmp_path / "whole")
    torn = tmp_path / "torn"
    torn.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    write_playable(torn, tmp_path / "copy", 1)
    assert 1 < facts(tmp_path / "copy")[2] < 2
