"""Decodes one track, packet by packet. Damaged packets are skipped one by one: PyAV's own generators stop at the
first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.packet import Packet

from engines.audio.files.avi_pauses import Pause
from engines.audio.source.chunk import JOINED, Chunk, Samples
from engines.audio.source.last_packet import LastPacket
from engines.errors import UnsupportedMedia

MAX_DAMAGE = 1000  # damaged packets more than good ones after which a file is given up
MAX_PLANES = 8  # channels that PyAV can be asked for one by one
PACKETS = 10_000  # after which …
MIN_PACKET = 0.00025  # … packets must hold so many seconds on average: of one sample each, an hour would take hours
ROUNDED = 0.002  # seconds by which the stamp of a frame that comes right behind may be off: many count milliseconds
MIN_RATE, MAX_RATE = 4_000, 768_000  # Hz that a recording may have
_FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63, "flt": 1.0, "dbl": 1.0}


class TrackDecoder:
    """Iterating gives chunks of at most a second, with the container's stamps. Raises UnsupportedMedia.

    pauses: silence that the demuxer leaves out, in the file's order. damaged: packets that could not be decoded.
    position: bytes of the file read so far.
    """

    def __init__(self, container: InputContainer, stream: AudioStream, pauses: Sequence[Pause] = ()) -> None:
        self._container = container
        self._stream = stream
        self._pauses = list(reversed(pauses))
        self._decoded = 0  # packets
        self._last = LastPacket(container.format.name, stream.codec_context.name)
        self._is_first_damaged = False
        self.damaged = 0
        self._at = 0  # where the packet read last begins
        self.position = 0

    def __iter__(self) -> Iterator[Chunk]:
        packed, run = _Packed(), _Run(is_stored=self._stream.codec_context.name.startswith("pcm_f"))
        tick: Fraction | None = None  # asking a frame for it takes as long as all the rest that is done with it
        seconds = 0.0
        try:
            for frame in self._frames():
                rate = _checked(frame.sample_rate)
                seconds += frame.samples / rate
                if self._decoded > PACKETS and seconds < self._decoded * MIN_PACKET:
                    message = "The file's sound lies in pieces of a sample or so."
                    raise UnsupportedMedia(f"{message} Convert it, to mp3 or wav.")
                tick = tick or frame.time_base
                stamp = frame.pts
                start = None if stamp is None or tick is None else stamp * tick.numerator / tick.denominator
                pause = self._pause() if self._pauses else 0.0
                for part in packed(frame):
                    samples, is_float = _samples(part)
                    if pause or not run.goes_on(samples, rate, start, is_float):
                        yield from run.chunks()
                        run.begin(rate, start, is_float, pause)
                    run.add(samples)
                    start, pause = None if start is None else start + samples.shape[1] / rate, 0.0
                if run.is_enough:
                    yield from run.chunks()
        except UnsupportedMedia:
            yield from run.chunks()  # what was sound is heard
            raise
        yield from run.chunks()

    def _pause(self) -> float:
        """Seconds of silence before the packet read last."""
        seconds = 0.0
        while self._pauses and self._pauses[-1].at <= self._at:
            seconds += self._pauses.pop().seconds
        return seconds

    def is_cut(self, size: int) -> bool:
        """Whether the end of the last packet is missing, once all are read. size: bytes of the file."""
        return self._last.is_cut(size)

    @property
    def damaged_first(self) -> int:
        """1 if the first packet could not be decoded, and others could."""
        return int(self._is_first_damaged and self._decoded > 0)

    @property
    def damaged_last(self) -> int:
        """Packets that could not be decoded and are the last ones."""
        return self._last.damaged

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._stream)
        while self.damaged <= MAX_DAMAGE + self._decoded:
            try:
                packet = next(packets)
            except (StopIteration, av.error.EOFError):
                return
            except IndexError:  # a packet of a stream that was not there when the file was opened
                packets = self._container.demux(self._stream)
                continue
            except (av.error.FFmpegError, ValueError):
                self._damage(is_unreadable=True)
                packets = self._container.demux(self._stream)
                continue
            self._at = packet.pos or self._at
            self.position = max(self.position, self._at + packet.size)
            self._last.read(packet)
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
            if packet.size:
                self._damage(is_unreadable=False)
            return []
        if frames and packet.size:
            self._decoded += 1
            self._last.was_decoded()
        return frames

    def _damage(self, *, is_unreadable: bool) -> None:
        self._is_first_damaged |= not self.damaged and not self._decoded
        self.damaged += 1
        self._last.was_damaged(is_unreadable=is_unreadable)


class _Packed:
    """Frames of many channels with their samples side by side. PyAV looks for planes behind the eighth until it finds a
    null, in memory that isn't the frame's (av 18.1: it crashed on a damaged m4a)."""

    def __init__(self) -> None:
        self._form: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None

    def __call__(self, frame: AudioFrame) -> list[AudioFrame]:
        if not frame.format.is_planar or frame.layout.nb_channels < MAX_PLANES:
            return [frame]
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or form != self._form:
            self._form = form
            self._resampler = AudioResampler(frame.format.packed.name, frame.layout, frame.sample_rate)
        try:
            return self._resampler.resample(frame)
        except (av.error.FFmpegError, ValueError) as error:
            raise UnsupportedMedia(
                f"The file's sound has {frame.layout.nb_channels} channels, which cannot be read. Convert it to wav."
            ) from error


class _Run:
    """Frames that follow one another. They go on as one: the few milliseconds of each cost later steps more than they
    hold."""

    def __init__(self, *, is_stored: bool) -> None:
        self._is_stored = is_stored
        self._parts: list[Samples] = []
        self._count = 0  # samples of a channel
        self._rate, self._start, self._is_float, self._pause = 1, 0.0, False, 0.0
        self._has_stamps = False

    def goes_on(self, samples: Samples, rate: int, start: float | None, is_float: bool) -> bool:
        """Whether the samples come right behind, by the container's stamps."""
        if not self._parts or rate != self._rate or is_float != self._is_float:
            return False
        if len(samples) != len(self._parts[0]) or (start is not None) != self._has_stamps:
            return False
        return start is None or abs(start - self._start - self._count / rate) < ROUNDED

    def begin(self, rate: int, start: float | None, is_float: bool, pause: float) -> None:
        self._rate, self._is_float, self._pause = rate, is_float, pause
        self._has_stamps, self._start = start is not None, start or 0.0

    def add(self, samples: Samples) -> None:
        self._parts.append(samples)
        self._count += samples.shape[1]

    @property
    def is_enough(self) -> bool:
        return self._count >= JOINED * self._rate

    def chunks(self) -> Iterator[Chunk]:
        """Gives them out, in chunks of at most a second."""
        if not self._parts:
            return
        whole = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts, axis=1)
        self._parts, self._count = [], 0
        for at in range(0, whole.shape[1], self._rate):
            start = self._start + at / self._rate if self._has_stamps else None
            piece = whole[:, at : at + self._rate]
            yield Chunk(piece, self._rate, start, self._is_float, self._is_stored, 0.0 if at else self._pause)


def _checked(rate: int) -> int:
    """Raises UnsupportedMedia."""
    if not MIN_RATE <= rate <= MAX_RATE:
        message = f"The file's sound has {rate} samples a second; {MIN_RATE} to {MAX_RATE} can be read."
        raise UnsupportedMedia(f"{message} Convert it, to mp3 or wav for instance.")
    return rate


def _samples(frame: AudioFrame) -> tuple[Samples, bool]:
    """The frame as float32 of shape (channels, n), integers in -1..1; and whether it held floats."""
    kind = frame.format.name.removesuffix("p")
    if kind == "flt" and frame.layout.nb_channels == 1:  # most recordings: no copy is needed
        return np.frombuffer(frame.planes[0], np.float32, frame.samples)[None], True  # type: ignore[call-overload]
    raw = frame.to_ndarray()
    if not frame.format.is_planar:
        raw = raw.reshape(frame.samples, -1).T
    is_float = kind in ("flt", "dbl")
    with np.errstate(over="ignore"):  # beyond float32: an infinity, which is seen to later
        samples = np.asarray(raw, np.float32)
    if kind == "u8":
        samples = samples - 128
    return (samples if is_float else samples / np.float32(_FULL_SCALE[kind])), is_float
