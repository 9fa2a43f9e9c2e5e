"""Recordings joined byte by byte, and a recording in pieces, are heard one after the other."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.audio.files.part import Part
from engines.audio.files.parts import parts_of
from engines.audio.reader import AudioReader
from tests import odd_media
from tests.odd_media import Kind

Samples = NDArray[np.float32]
RATE = 16_000
SECONDS = 1.5


def clicks(lone: int) -> Samples:
    """Five short bursts, of which one lies elsewhere."""
    sound = np.zeros(round(SECONDS * RATE), np.float32)
    burst = (0.4 * np.sin(np.arange(800) * 2 * np.pi * 500 / RATE)).astype(np.float32)
    for at in (2_000, 6_000, 10_000, 14_000, 17_000 + 500 * lone):
        sound[at : at + 800] = burst
    return sound


def begins(samples: Samples) -> list[float]:
    """Seconds at which it gets loud."""
    power = np.sqrt(np.convolve(samples**2, np.ones(160) / 160, "same"))
    loud = power > 0.1
    return [float(at) for at in np.flatnonzero(loud[1:] & ~loud[:-1]) / RATE]


def read(path: Path) -> tuple[Samples, list[str]]:
    with AudioReader(path) as reader:
        samples = np.concatenate(list(reader))
        return samples, [warning.code for warning in reader.warnings()]


WAV = Kind("wav", "pcm_s16le", 16_000)
OPUS = Kind("ogg", "libopus", form="flt")
FLAC = Kind("flac", "flac")
WEBM = Kind("webm", "libopus", form="flt")
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"}
JOINED = {
    "wav": (WAV, WAV),
    "wav, other rate and channels": (WAV, Kind("wav", "pcm_f32le", 44_100, "flt", layout="stereo")),
    "wav, then ogg": (WAV, OPUS),
    "rf64": (Kind("wav", "pcm_s16le", options={"rf64": "always"}), WAV),
    "w64": (Kind("w64", "pcm_s16le"), Kind("w64", "pcm_s16le")),
    "aiff": (Kind("aiff", "pcm_s16be"), Kind("aiff", "pcm_s16be", 44_100, layout="stereo")),
    "au": (Kind("au", "pcm_s16be"), Kind("au", "pcm_s16be")),
    "caf": (Kind("caf", "pcm_s16be"), Kind("caf", "pcm_s16be")),
    "flac": (FLAC, Kind("flac", "flac", 44_100, layout="stereo")),
    "ogg": (OPUS, OPUS),
    "ogg, other channels": (OPUS, Kind("ogg", "libopus", form="flt", layout="stereo")),
    "ogg, other codecs": (OPUS, Kind("ogg", "flac", 16_000), OPUS),
    "m4a": (Kind("ipod", "aac", form="fltp"), Kind("ipod", "aac", 16_000, form="fltp", layout="stereo")),
    "mp4 in fragments": (Kind("mp4", "aac", form="fltp", options=FRAGMENTED),) * 2,
    "webm": (WEBM, WEBM),
    "webm, live": (Kind("webm", "libopus", form="flt", options={"live": "1"}),) * 2,
    "mkv, other codecs": (Kind("matroska", "flac"), Kind("matroska", "libopus", form="flt")),
    "flv": (Kind("flv", "aac", 44_100, form="fltp"),) * 2,
    "asf": (Kind("asf", "libmp3lame", form="fltp"),) * 2,
    "amr": (Kind("amr", "libopencore_amrnb", 8_000),) * 2,
    "tta": (Kind("tta", "tta"),) * 2,
    "voc": (Kind("voc", "pcm_s16le"),) * 2,
    "mpeg-ts, other track": (
        Kind("mpegts", "aac", form="fltp"),
        Kind("mpegts", "aac", form="fltp", options={"mpegts_start_pid": "768"}),
    ),
    "mpeg-ts, other codec": (Kind("mpegts", "aac", form="fltp"), Kind("mpegts", "mp2")),
    "avi": (Kind("avi", "pcm_s16le"),) * 2,
    "mp3, other rate and channels": (
        Kind("mp3", "libmp3lame", 44_100, "fltp"),
        Kind("mp3", "libmp3lame", 22_050, "fltp", layout="stereo"),
    ),
    "aac, other rate and channels": (
        Kind("adts", "aac", 44_100, "fltp"),
        Kind("adts", "aac", 16_000, "fltp", layout="stereo"),
    ),
}


@pytest.mark.parametrize("name", JOINED)
def test_recordings_joined_byte_by_byte_are_all_heard(name: str, tmp_path: Path) -> None:
    path = tmp_path / "source"
    whole, expected, end = b"", list[float](), 0.0
    for number, kind in enumerate(JOINED[name]):
        whole += odd_media.encoded(path, clicks(number), kind)
        expected += [end + at for at in begins(clicks(number))]
        end += len(read(path)[0]) / RATE
    path.write_bytes(whole)
    samples, warnings = read(path)
    assert begins(samples) == pytest.approx(expected, abs=0.08)
    assert len(samples) / RATE == pytest.approx(end, abs=0.1)
    if "mp3" not in name:  # FFmpeg drops the frame at the seam
        assert warnings == []


@pytest.mark.parametrize("kind", [WAV, FLAC, Kind("ipod", "aac", form="fltp")])
def test_tags_before_a_recording_are_passed_over(kind: Kind, tmp_path: Path) -> None:
    data = odd_media.encoded(tmp_path / "source", clicks(0), kind)
    (tmp_path / "source").write_bytes(b"ID3\4\0\0\0\0\1\0" + bytes(128) + data)
    samples, warnings = read(tmp_path / "source")
    assert len(begins(samples)) == 5
    assert warnings == []


def test_a_part_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    one = odd_media.encoded(tmp_path / "source", clicks(0), OPUS)
    (tmp_path / "source").write_bytes(one + b"OggS\0\2" + bytes(200) + one)
    samples, warnings = read(tmp_path / "source")
    assert len(begins(samples)) == 10
    assert warnings == ["damaged_input"]


def test_a_last_part_cut_off_is_told(tmp_path: Path) -> None:
    one = odd_media.encoded(tmp_path / "source", clicks(0), WAV)
    (tmp_path / "source").write_bytes(one + one[: len(one) * 2 // 3])
    samples, warnings = read(tmp_path / "source")
    assert len(begins(samples)) > 5
    assert warnings == ["truncated_input"]


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def riff(*chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WAVE" + b"".join(chunks)


FORM = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))


@pytest.mark.parametrize("between", [b"", chunk(b"LIST", b"INFO"), chunk(b"JUNK", bytes(999))])
@pytest.mark.parametrize("count", [2, 3, 50])
def test_all_data_of_a_wav_is_read_in_order(tmp_path: Path, between: bytes, count: int) -> None:
    sound = odd_media.as_int16(clicks(1))
    data = [chunk(b"data", piece.astype("<i2").tobytes()) + between for piece in np.array_split(sound, count)]
    (tmp_path / "a").write_bytes(riff(FORM, *data))
    samples, warnings = read(tmp_path / "a")
    assert np.abs(samples - sound / np.float32(2**15)).max() < 1e-3
    assert warnings == []


def test_a_wav_of_several_data_that_was_cut_off_says_so(tmp_path: Path) -> None:
    data = chunk(b"data", odd_media.as_int16(clicks(0)).tobytes())
    (tmp_path / "a").write_bytes(riff(FORM, data, data)[: -len(data) // 2])
    samples, warnings = read(tmp_path / "a")
    assert len(samples) / RATE == pytest.approx(1.5 * SECONDS, abs=0.01)
    assert warnings == ["truncated_input"]


def test_what_follows_a_recording_and_is_none_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "source"
    for kind in (WAV, OPUS, FLAC, WEBM):
        data = odd_media.encoded(path, clicks(0), kind)
        for tail in (b"TAG".ljust(128, b"\0"), bytes(1000), b"RIFF", b"OggS", b"ID3\4" + bytes(100)):
            path.write_bytes(data + tail)
            assert parts_of(path, lambda: None) == [Part(path)]
            assert len(begins(read(path)[0])) == 5


def test_looking_for_parts_can_be_canceled(tmp_path: Path) -> None:
    class Canceled(Exception):
        pass

    def cancel() -> None:
        raise Canceled

    (tmp_path / "a").write_bytes(b"fLaC" + bytes(3_000_000))
    with pytest.raises(Canceled):
        parts_of(tmp_path / "a", cancel)


def test_a_part_of_a_file_that_went_away_is_the_systems_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Part(tmp_path / "away", ((0, 1),)).open()


def test_a_part_reads_as_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(100)))
    part = Part(tmp_path / "a", ((10, 20), (50, 55)), b"head")
    whole = b"head" + bytes(range(10, 20)) + bytes(range(50, 55))
    with part.open() as file:
        assert file.read() == whole
        for at in (0, 3, 4, 13, 14, 18, 19, 30):
            assert file.seek(at) == at
            assert file.read(3) == whole[at : at + 3]
        assert file.seek(-2, 2) == len(whole) - 2 == part.size - 2
        assert file.read(5) == whole[-2:]
