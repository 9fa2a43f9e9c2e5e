"""Any recording decodes to 16 kHz mono, damaged ones as far as they go, and no file makes us open another."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.audio.files.part import Part
from engines.audio.files.wav_header import wav_header
from engines.audio.reader import AudioReader
from engines.audio.source.chunk import JOINED
from engines.audio.source.container import open_container
from engines.audio.source.frames import ROUNDED, TrackDecoder
from engines.errors import EmptyAudio, EngineError, NoAudioStream, UnsupportedMedia
from tests import media
from tests.playlists import PLAYLISTS, Canary, watched

Samples = NDArray[np.float32]
Decoded = tuple[Samples, list[str]]

SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".mp4", ".ogg", ".webm")
SECONDS = 3.0


def sweep(seconds: float = SECONDS) -> Samples:
    """A sound that is itself at no other time, so that a shift shows."""
    at = np.arange(round(seconds * 16_000)) / 16_000
    return (0.5 * np.sin(2 * np.pi * (300 + 200 * at) * at)).astype(np.float32)


def murmur(seconds: float) -> Samples:
    """Noise that swells, which no codec makes small."""
    chance = np.random.default_rng(0)
    count = round(seconds * 16_000)
    swell = 1 + np.sin(np.arange(count) / 4000)
    return np.asarray(chance.normal(0, 0.1, count) * swell, np.float32)


def decode(path: Path) -> Decoded:
    with AudioReader(path) as reader:
        samples = np.concatenate(list(reader))
        assert reader.decoded == len(samples) / 16_000
        return samples, [warning.code for warning in reader.warnings()]


def likeness(decoded: Samples, source: Samples, slack: int = 800) -> float:
    """The correlation of the two, at the best shift within `slack` samples (codecs delay a little)."""
    probe = source[2 * slack : 2 * slack + 4000]
    around = decoded[slack : 3 * slack + 4000]
    shift = int(np.argmax(np.correlate(around, probe))) - slack
    ours, theirs = decoded[max(0, shift) :], source[max(0, -shift) :]
    length = min(len(ours), len(theirs)) - slack  # a codec may fade the end
    return float(np.corrcoef(ours[:length], theirs[:length])[0, 1])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sound file of every kind, with three seconds of the sweep."""
    directory = tmp_path_factory.mktemp("media")
    return {suffix: media.write(directory / f"sweep{suffix}", sweep()) for suffix in SUFFIXES}


@pytest.fixture(scope="module")
def murmurs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Ten seconds that fill their file evenly, so that damage anywhere hits sound."""
    directory = tmp_path_factory.mktemp("murmurs")
    suffixes = (".flac", ".mp3", ".m4a", ".ogg", ".webm")
    return {suffix: media.write(directory / f"murmur{suffix}", murmur(10)) for suffix in suffixes}


@pytest.mark.parametrize("suffix", [".mp3", ".m4a", ".ogg", ".webm"])
def test_frames_that_follow_one_another_go_on_together(murmurs: dict[str, Path], suffix: str) -> None:
    """A packet holds some 20 ms, and 500 in ten seconds would each take as long as one of half a second."""
    path = murmurs[suffix]
    with open_container(Part(path)) as container:
        chunks = list(TrackDecoder(container, container.streams.audio[0]))
    assert len(chunks) <= 20
    assert all(JOINED <= chunk.seconds <= JOINED + 0.1 for chunk in chunks[:-1])
    starts = [chunk.start for chunk in chunks if chunk.start is not None]
    assert np.diff(starts) == pytest.approx([chunk.seconds for chunk in chunks[:-1]], abs=ROUNDED)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_container_decodes_to_its_own_sound(files: dict[str, Path], suffix: str, tmp_path: Path) -> None:
    shutil.copy(files[suffix], tmp_path / "source")  # as the store keeps uploads
    samples, warnings = decode(tmp_path / "source")
    assert samples.dtype == np.float32
    assert len(samples) / 16_000 == pytest.approx(SECONDS, abs=0.05)
    assert likeness(samples, sweep()) > 0.99
    assert warnings == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_declared_length_is_the_sounds(files: dict[str, Path], suffix: str) -> None:
    with AudioReader(files[suffix]) as reader:
        assert reader.declared == pytest.approx(SECONDS, abs=0.05)


def test_stereo_is_mixed_and_every_rate_resampled(tmp_path: Path) -> None:
    samples, _ = decode(media.write(tmp_path / "a.mp3", sweep(), layout="stereo"))
    assert likeness(samples, sweep()) > 0.99


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".webm", ".flac"])
def test_a_file_cut_off_gives_what_is_there_and_a_warning(files: dict[str, Path], suffix: str, tmp_path: Path) -> None:
    samples, warnings = decode(media.truncated(tmp_path / "source", files[suffix], 0.5))
    assert 0.3 * SECONDS < len(samples) / 16_000 < 0.7 * SECONDS
    assert likeness(samples, sweep()[: len(samples)]) > 0.99
    assert "truncated_input" in warnings


def test_an_m4a_without_its_index_says_that_it_is_cut_off(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match=r"cut off.*moov"):
        AudioReader(media.truncated(tmp_path / "source", files[".m4a"], 0.8))


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".m4a", ".ogg", ".webm"])
@pytest.mark.parametrize("seed", range(3))
def test_corrupt_bytes_cost_no_more_than_their_surroundings(
    murmurs: dict[str, Path], suffix: str, seed: int, tmp_path: Path
) -> None:
    samples, _ = decode(media.flipped(tmp_path / "source", murmurs[suffix], count=2, seed=seed))
    assert len(samples) / 16_000 > 4.5


@pytest.mark.parametrize("suffix", [".mp3", ".m4a"])
def test_heavy_damage_is_told(murmurs: dict[str, Path], suffix: str, tmp_path: Path) -> None:
    """Many broken packets, and errors of every kind the decoder has: the rest is decoded all the same."""
    data = bytearray(murmurs[suffix].read_bytes())
    for at in range(len(data) // 4, len(data) // 2, 500):
        data[at] ^= 0xFF
    (tmp_path / "source").write_bytes(data)
    samples, warnings = decode(tmp_path / "source")
    assert 4 < len(samples) / 16_000 < 10.1
    assert "damaged_input" in warnings


@pytest.mark.parametrize("seed", range(5))
def test_no_damage_ends_in_anything_but_sound_or_our_own_error(
    files: dict[str, Path], seed: int, tmp_path: Path
) -> None:
    codes: set[str] = set()
    for suffix in SUFFIXES:
        broken = media.flipped(tmp_path / "source", files[suffix], count=1 + 8 * seed, seed=seed)
        try:
            decode(broken)
        except EngineError as error:
            codes.add(error.code)
    assert codes <= {"unsupported_media", "no_audio_stream", "empty_audio"}


def test_a_header_without_a_sample_is_empty_audio(tmp_path: Path) -> None:
    with AudioReader(media.header_only_wav(tmp_path / "source")) as reader, pytest.raises(EmptyAudio):
        list(reader)


def test_a_wav_of_zero_length_is_empty_audio(tmp_path: Path) -> None:
    data = bytearray(media.header_only_wav(tmp_path / "source").read_bytes())
    assert len(data) == 44
    data[40:44] = bytes(4)
    (tmp_path / "source").write_bytes(data)
    with AudioReader(tmp_path / "source") as reader, pytest.raises(EmptyAudio):
        list(reader)


def test_a_film_without_sound_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NoAudioStream):
        AudioReader(media.write_silent_film(tmp_path / "film.mp4"))


NO_MEDIA = {
    "empty": b"",
    "text": b"This is not a recording.\n" * 400,
    "html": b"<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>\n" * 50,
    "json": b'{"error": {"message": "expired link"}}' * 100,
    "zeros": bytes(100_000),
    "gzip": b"\x1f\x8b\x08\x00" + b"a" * 5000,
    "png": b"\x89PNG\r\n\x1a\n" + bytes(2000),
    "an ID3 tag alone": b"ID3\x04\x00\x00\x00\x00\x0f\x76" + bytes(4000),
}


@pytest.mark.parametrize("name", NO_MEDIA)
def test_what_is_no_recording_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "talk.mp3").write_bytes(NO_MEDIA[name])
    with pytest.raises(UnsupportedMedia):
        decode(tmp_path / "talk.mp3")


@pytest.mark.parametrize("seed", range(10))
def test_random_bytes_are_refused(seed: int, tmp_path: Path) -> None:
    with pytest.raises((UnsupportedMedia, NoAudioStream)):
        decode(media.random_bytes(tmp_path / "talk.mp3", seed=seed))


def test_a_codec_nobody_knows_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(files[".wav"].read_bytes())
    data[20:22] = b"\x99\x99"  # the format tag
    (tmp_path / "source").write_bytes(data)
    with pytest.raises(UnsupportedMedia, match="cannot be decoded"):
        decode(tmp_path / "source")


@pytest.mark.parametrize(("offset", "content"), [(24, 0xFFFFFFFF), (24, 0), (32, 0)])
def test_a_plain_wav_comes_in_half_seconds_whatever_its_header_says(
    files: dict[str, Path], tmp_path: Path, offset: int, content: int
) -> None:
    with open_container(files[".wav"]) as container:
        assert sum(packet.size > 0 for packet in container.demux(audio=0)) <= 2 * SECONDS + 1
    odd = bytearray(files[".wav"].read_bytes())
    struct.pack_into("<I", odd, offset, content)
    path = tmp_path / "odd.wav"
    path.write_bytes(odd)
    with suppress(EngineError):
        decode(path)


def test_a_streamed_wav_of_unknown_length_decodes(files: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(files[".wav"].read_bytes())
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = b"\xff" * 4
    (tmp_path / "source").write_bytes(data)
    samples, warnings = decode(tmp_path / "source")
    assert likeness(samples, sweep()) > 0.99
    assert warnings == []


def test_a_wav_that_lies_about_its_byte_rate_is_not_called_truncated(files: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(files[".wav"].read_bytes())
    data[28:32] = (1000).to_bytes(4, "little")
    (tmp_path / "source").write_bytes(data)
    assert decode(tmp_path / "source")[1] == []


def test_of_two_formats_in_a_wav_the_first_one_counts(files: dict[str, Path], tmp_path: Path) -> None:
    """As FFmpeg reads it."""
    data = files[".wav"].read_bytes()
    at = data.index(b"data")
    stereo = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 2, 48_000, 192_000, 4, 16)
    (tmp_path / "source").write_bytes(data[:at] + stereo + data[at:])
    samples, warnings = decode(tmp_path / "source")
    assert likeness(samples, sweep()) > 0.99
    assert warnings == []
    header = wav_header(Part(tmp_path / "source"))
    assert header is not None
    assert header.declared == pytest.approx(SECONDS, abs=0.01)


def encode(path: Path, samples: Samples, muxer: str, codec: str, rate: int, sample_format: str, layout: str) -> bytes:
    with av.open(str(path), "w", format=muxer) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        resampler = av.AudioResampler(sample_format, layout, rate)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_a_raw_stream_that_begins_quietly_is_not_called_truncated(tmp_path: Path) -> None:
    samples = np.concatenate([np.zeros(8 * 16_000, np.float32), murmur(3)])
    encode(tmp_path / "source", samples, "adts", "aac", 44_100, "fltp", "mono")
    assert decode(tmp_path / "source")[1] == []


def test_a_film_longer_than_its_sound_is_not_called_truncated(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        film = media._film(container)
        media._write_sound(container, ".mp4", sweep(), 16_000, None, "mono")
        media._write_film(container, film, 4 * SECONDS)
    samples, warnings = decode(tmp_path / "film.mp4")
    assert len(samples) / 16_000 == pytest.approx(SECONDS, abs=0.05)
    assert warnings == []


def test_a_long_recording_comes_in_small_blocks(tmp_path: Path) -> None:
    """Silence, which its codec makes small: no block grows with the recording."""
    minutes = 5
    with av.open(str(tmp_path / "long.tta"), "w") as container:
        stream = container.add_stream("tta", rate=8000, layout="mono")
        minute = np.zeros((1, 60 * 8000), np.int16)
        for _ in range(minutes):
            frame = av.AudioFrame.from_ndarray(minute, format="s16", layout="mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    sizes = [0]
    with AudioReader(tmp_path / "long.tta") as reader:
        sizes += [len(block) for block in reader]
    assert sum(sizes) == minutes * 60 * 16_000
    assert max(sizes) <= 2 * 16_000


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    with watched() as canary:
        yield canary


@pytest.mark.parametrize("name", ["source", "talk.mp3", "talk.m3u8", "talk.ffconcat", "talk.sdp", "talk.mpd"])
@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.fault(59)
def test_a_playlist_opens_nothing(canary: Canary, kind: str, name: str, tmp_path: Path) -> None:
    """Whatever its name. The neighbour is a sound file: a demuxer that follows the list would decode it."""
    secret = media.write(tmp_path / "secret.wav", sweep(0.2))
    (tmp_path / name).write_text(PLAYLISTS[kind].format(port=canary.port, secret=secret))
    with pytest.raises(UnsupportedMedia):
        decode(tmp_path / name)
    assert canary.calls == []


@pytest.mark.fault(111)
def test_a_file_that_the_system_does_not_give_is_no_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / "away", tmp_path / "loop", tmp_path):
        with pytest.raises(OSError, match=path.name):
            AudioReader(path)
