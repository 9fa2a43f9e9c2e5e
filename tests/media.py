"""Media files of every kind for the tests, sound ones and damaged ones, written and read with PyAV."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

# Suffix -> codec, its sample format, and the sample rate it is written with (Opus knows no 44.1 kHz).
_AUDIO: dict[str, tuple[str, str, int]] = {
    ".wav": ("pcm_s16le", "s16", 16_000),
    ".flac": ("flac", "s16", 16_000),
    ".mp3": ("libmp3lame", "fltp", 44_100),
    ".m4a": ("aac", "fltp", 44_100),
    ".mp4": ("aac", "fltp", 44_100),
    ".ogg": ("libopus", "flt", 48_000),
    ".webm": ("libopus", "flt", 48_000),
}
_BLOCK = 16_000  # samples handed to an encoder at once
_FRAMES_PER_SECOND = 5  # of the films: enough to be a film, and quick to write


def write(path: Path, samples: Samples, rate: int = 16_000, bit_rate: int | None = None, layout: str = "mono") -> Path:
    """Writes samples (float32, shape (n,), mono at `rate`) as the suffix says: wav, flac, mp3, m4a, ogg or webm
    (Opus), or mp4 (with a picture). Where the codec allows, wav and flac keep 16 kHz and 16 bits."""
    with av.open(str(path), "w", format="ipod" if path.suffix == ".m4a" else None) as container:
        film = _film(container) if path.suffix == ".mp4" else None
        _write_sound(container, path.suffix, samples, rate, bit_rate, layout)
        if film is not None:
            _write_film(container, film, len(samples) / rate)
    return path


def write_silent_film(path: Path, seconds: float = 2.0) -> Path:
    """A video without a sound track."""
    with av.open(str(path), "w") as container:
        _write_film(container, _film(container), seconds)
    return path


def read(path: Path, rate: int = 16_000) -> Samples:
    """A sound file's first track as float32 mono at `rate`. Loads it whole: for the tests' own files."""
    with av.open(str(path)) as container:
        return _resample(container.decode(audio=0), rate)


def resampled(samples: Samples, rate: int, to: int) -> Samples:
    return _resample(_frames(samples, rate), to)


def truncated(path: Path, source: Path, share: float = 0.5) -> Path:
    """The first part of a file, as a broken upload leaves it. An m4a of `write` loses its moov atom that way."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def flipped(path: Path, source: Path, count: int = 200, seed: int = 0) -> Path:
    """A copy with `count` bytes changed, none of them in the first 4 KiB."""
    data = bytearray(source.read_bytes())
    chance = random.Random(seed)
    for _ in range(count):
        data[chance.randrange(min(4096, len(data) // 2), len(data))] ^= 0xFF
    path.write_bytes(data)
    return path


def random_bytes(path: Path, size: int = 20_000, seed: int = 0) -> Path:
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def header_only_wav(path: Path) -> Path:
    """A wav of 44 bytes that promises ten seconds and holds no sample."""
    sizes = 36 + 320_000, 320_000
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)  # PCM, mono, 16 kHz, bytes per second, frame, bits
    header = b"RIFF" + struct.pack("<I", sizes[0]) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    path.write_bytes(header + b"data" + struct.pack("<I", sizes[1]))
    return path


def _write_sound(container: Any, suffix: str, samples: Samples, rate: int, bit_rate: int | None, layout: str) -> None:
    codec, sample_format, codec_rate = _AUDIO[suffix]
    stream = container.add_stream(codec, rate=codec_rate, layout=layout)
    if bit_rate:
        stream.bit_rate = bit_rate
    resampler = av.AudioResampler(sample_format, layout, codec_rate)
    for frame in chain(_frames(samples, rate), [None]):
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def _film(container: Any) -> Any:
    film = container.add_stream("mpeg4", rate=_FRAMES_PER_SECOND)
    film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
    return film


def _write_film(container: Any, film: Any, seconds: float) -> None:
    for number in range(max(1, round(seconds * _FRAMES_PER_SECOND))):
        picture = np.full((48, 64, 3), number % 256, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, _FRAMES_PER_SECOND)
        container.mux(film.encode(frame))
    container.mux(film.encode(None))


def _frames(samples: Samples, rate: int) -> Iterator[av.AudioFrame]:
    for start in range(0, len(samples), _BLOCK):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + _BLOCK], format="fltp", layout="mono")
        frame.sample_rate = rate
        frame.pts, frame.time_base = start, Fraction(1, rate)
        yield frame


def _resample(frames: Iterator[av.AudioFrame], rate: int) -> Samples:
    resampler = av.AudioResampler("flt", "mono", rate)
    parts = [part.to_ndarray()[0] for frame in chain(frames, [None]) for part in resampler.resample(frame)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
