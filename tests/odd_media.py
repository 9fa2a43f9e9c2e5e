"""Recordings as the world makes them: WAV files of any form, tracks, gaps and stamps that no sound card counted."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_PCM, _FLOAT = 1, 3


def wav(path: Path, samples: NDArray[Any], rate: int = 16_000, claimed: int | None = None, after: bytes = b"") -> Path:
    """samples: shape (n,) or (channels, n); float arrays are written as 32-bit floats, any number in them, and int16
    as 16-bit PCM. claimed: bytes of sound by the header, if not what there is; after: what follows the sound."""
    channels = np.atleast_2d(samples)
    is_float = channels.dtype.kind == "f"
    data = np.ascontiguousarray(channels.T).astype("<f4" if is_float else "<i2").tobytes()
    frame = len(channels) * (4 if is_float else 2)
    kind, bits = (_FLOAT, 32) if is_float else (_PCM, 16)
    form = struct.pack("<HHIIHH", kind, len(channels), rate, min(rate * frame, 2**32 - 1), frame, bits)
    size = len(data) if claimed is None else claimed
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size)
    path.write_bytes(b"RIFF" + struct.pack("<I", min(2**32 - 1, len(head) + size)) + head + data + after)
    return path


@dataclass(frozen=True)
class Kind:
    """How a file is written: FFmpeg's names of muxer and encoder, Hz, the encoder's sample format, options."""

    muxer: str
    codec: str
    rate: int = 48_000
    form: str = "s16"
    options: dict[str, str] = field(default_factory=dict)
    layout: str = "mono"


def encoded(path: Path, samples: Samples, kind: Kind) -> bytes:
    """samples: float32, shape (n,), mono at 16 kHz. Gives the file's bytes, too."""
    with av.open(str(path), "w", format=kind.muxer, options=kind.options) as container:
        stream: Any = container.add_stream(kind.codec, rate=kind.rate, layout=kind.layout, options=kind.options)
        container.start_encoding()
        resampler = av.AudioResampler(kind.form, kind.layout, kind.rate)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))
    return path.read_bytes()


def as_int16(samples: Samples) -> NDArray[np.int16]:
    return np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)


def tracks(path: Path, sounds: Sequence[Samples], default: int | None = None, codec: str = "aac") -> Path:
    """A container with one sound track for each (float32, 16 kHz, mono). default: the index of the one flagged so."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=16_000, layout="mono") for _ in sounds]
        for at, stream in enumerate(streams):
            if default is not None:
                stream.disposition = av.stream.Disposition.default if at == default else av.stream.Disposition(0)
        for stream, samples in zip(streams, sounds, strict=True):
            for packet in _packets(stream, samples):
                container.mux(packet)
    return path


def restamped(path: Path, samples: Samples, moved: Callable[[float], float | None], codec: str = "libopus") -> Path:
    """Sound whose packets are stamped with `moved(seconds)`; those for which it gives None are left out."""
    rate = 48_000 if codec == "libopus" else 16_000
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        for packet in _packets(stream, samples):
            stamp = moved(float(packet.pts * packet.time_base))
            if stamp is not None:
                packet.pts = packet.dts = round(stamp / packet.time_base)
                container.mux(packet)
    return path


def _packets(stream: Any, samples: Samples) -> list[Any]:
    context = stream.codec_context
    resampler = av.AudioResampler(context.format, "mono", context.sample_rate)
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
    found: list[Any] = []
    for part in [*resampler.resample(frame), *resampler.resample(None), None]:
        found += stream.encode(part)
    return [packet for packet in found if packet.pts is not None]
