"""Decodes one track, packet by packet. Damaged packets are skipped one by one: PyAV's own generators stop at the
first."""

from __future__ import annotations

from collections.abc import Iterator

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.packet import Packet

from engines.audio.source.chunk import Chunk, Samples
from engines.errors import UnsupportedMedia

MAX_DAMAGE = 1000  # damaged packets more than good ones after which a file is given up
MIN_RATE, MAX_RATE = 4_000, 768_000  # Hz that a recording may have
_FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63, "flt": 1.0, "dbl": 1.0}


class TrackDecoder:
    """Iterating gives chunks of at most a second, with the container's stamps. Raises UnsupportedMedia.

    damaged: packets that could not be decoded. position: bytes of the file read so far.
    """

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container = container
        self._stream = stream
        self._decoded = 0  # packets
        self.damaged = 0
        self.position = 0

    def __iter__(self) -> Iterator[Chunk]:
        for frame in self._frames():
            yield from _chunks(frame)

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._stream)
        while self.damaged <= MAX_DAMAGE + self._decoded:
            try:
                packet = next(packets)
            except (StopIteration, av.error.EOFError):
                return
            except (av.error.FFmpegError, ValueError):
                self.damaged += 1
                packets = self._container.demux(self._stream)
                continue
            self.position = max(self.position, (packet.pos or 0) + packet.size)
            yield from self._decode(packet)

    def _decode(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        try:
            frames = packet.decode()
        except av.error.DecoderNotFoundError as error:
            raise UnsupportedMedia(
                "The file's sound is in a format that cannot be decoded. Convert it, to mp3 or wav for instance."
            ) from error
        except av.error.EOFError:
            return []
        except (av.error.FFmpegError, ValueError, AttributeError):  # damaged bytes raise nearly any of them
            self.damaged += packet.size > 0
            return []
        self._decoded += bool(frames)
        return frames


def _chunks(frame: AudioFrame) -> Iterator[Chunk]:
    rate = frame.sample_rate
    if not MIN_RATE <= rate <= MAX_RATE:
        message = f"The file's sound has {rate} samples a second; {MIN_RATE} to {MAX_RATE} can be read."
        raise UnsupportedMedia(f"{message} Convert it, to mp3 or wav for instance.")
    start = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
    samples, is_float = _samples(frame)
    for at in range(0, samples.shape[1], rate):
        part = samples[:, at : at + rate]
        yield Chunk(part, rate, None if start is None else start + at / rate, is_float)


def _samples(frame: AudioFrame) -> tuple[Samples, bool]:
    """The frame as float32 of shape (channels, n), integers in -1..1; and whether it held floats."""
    kind = frame.format.name.removesuffix("p")
    raw = frame.to_ndarray()
    if not frame.format.is_planar:
        raw = raw.reshape(frame.samples, -1).T
    is_float = kind in ("flt", "dbl")
    with np.errstate(over="ignore"):  # beyond float32: an infinity, which is seen to later
        samples = np.asarray(raw, np.float32)
    if kind == "u8":
        samples = samples - 128
    return (samples if is_float else samples / np.float32(_FULL_SCALE[kind])), is_float
