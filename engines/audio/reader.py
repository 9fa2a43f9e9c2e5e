"""Any recording as a stream of 16 kHz mono samples, in bounded memory and without trusting the file.

The demuxer is chosen from a whitelist, because FFmpeg's playlist formats (HLS, concat, SDP …) open other files
and network addresses. Damaged packets are skipped one by one: PyAV's own generators stop at the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from engines.base import SAMPLE_RATE
from engines.errors import EmptyAudio, NoAudioStream, UnsupportedMedia
from engines.transcript import TranscriptWarning

Samples = NDArray[np.float32]

FORMATS = (
    "aac,ac3,aiff,amr,asf,au,avi,caf,flac,flv,matroska,webm,mov,m4a,mp3,mpeg,mpegts,ogg,tta,w64,wav,wv"  # demuxers
)
HEADERLESS = ("aac", "ac3", "amr", "amrnb", "amrwb")  # raw streams: FFmpeg guesses their length from a bit rate
MAX_DAMAGE = 1000  # damaged packets more than good ones after which a file is given up
OPEN_TIMEOUT = 10.0  # seconds a read may take; the file is local
TRUNCATED_SHARE = 0.98  # decoded less than this share of the declared duration …
TRUNCATED_SECONDS = 0.2  # … and at least this much less: the file was cut off


class AudioReader:
    """Reads one file. Iterating gives float32 blocks of shape (n,), -1..1, of about a packet's length.

    declared: seconds the container claims, or None. decoded: seconds read so far. Raises UnsupportedMedia,
    NoAudioStream or (at the end of a file without a sample) EmptyAudio.
    """

    def __init__(self, path: Path) -> None:
        self._container = _open(path)
        if not self._container.streams.audio:
            self._container.close()
            raise NoAudioStream()
        self._stream = self._container.streams.audio[0]
        self._samples = 0
        self._decoded_packets = 0
        self._damaged = 0
        self.declared = _declared_seconds(self._container, self._stream, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def decoded(self) -> float:
        return self._samples / SAMPLE_RATE

    def __iter__(self) -> Iterator[Samples]:
        for frame in _Resampled(self._frames()):
            samples = frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)
            self._samples += len(samples)
            if len(samples):
                yield samples
        if not self._samples:
            if self._damaged:
                raise UnsupportedMedia("The file's audio is damaged: none of it could be decoded. Check the recording.")
            raise EmptyAudio()

    def warnings(self) -> tuple[TranscriptWarning, ...]:
        """What was wrong with the file, once it is read."""
        found = []
        if self._damaged:
            found.append(TranscriptWarning("damaged_input", f"{self._damaged} damaged parts of the file were skipped."))
        if self._is_truncated():
            found.append(
                TranscriptWarning(
                    "truncated_input",
                    f"The file claims {self.declared:.1f} s but holds {self.decoded:.1f} s: it seems to be cut off. "
                    "The transcript covers what is there.",
                )
            )
        return tuple(found)

    def _is_truncated(self) -> bool:
        if self.declared is None:
            return False
        return self.decoded < min(self.declared * TRUNCATED_SHARE, self.declared - TRUNCATED_SECONDS)

    def _frames(self) -> Iterator[AudioFrame]:
        """All frames that can be decoded; damaged packets are counted and left out."""
        packets = self._container.demux(self._stream)
        while self._damaged <= MAX_DAMAGE + self._decoded_packets:
            try:
                packet = next(packets)
            except (StopIteration, av.error.EOFError):
                return
            except (av.error.FFmpegError, ValueError):
                self._damaged += 1
                packets = self._container.demux(self._stream)
                continue
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
        except (av.error.FFmpegError, ValueError):  # damaged bytes raise nearly any of them
            self._damaged += packet.size > 0
            return []
        self._decoded_packets += bool(frames)
        return frames


class _Resampled:
    """Frames of any rate and layout as 16 kHz mono. A file may change both on its way (two recordings joined
    byte by byte, chained Ogg): each stretch gets a resampler of its own."""

    def __init__(self, frames: Iterator[AudioFrame]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[AudioFrame]:
        form: tuple[str, str, int] | None = None
        resampler = _resampler()
        for frame in self._frames:
            found = (frame.format.name, frame.layout.name, frame.sample_rate)
            if form and found != form:
                yield from resampler.resample(None)
                resampler = _resampler()
            form = found
            frame.pts = None  # a gap in a damaged file must not stop the resampler
            yield from resampler.resample(frame)
        if form:
            yield from resampler.resample(None)


def _resampler() -> AudioResampler:
    return AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)


def _open(path: Path) -> InputContainer:
    try:
        return av.open(
            str(path),
            mode="r",
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="ignore",
            timeout=OPEN_TIMEOUT,
        )
    except (av.error.FFmpegError, ValueError) as error:
        if _lacks_its_index(path):
            raise UnsupportedMedia(
                "The file is cut off: its index (the 'moov' atom at its end) is missing, so nothing can be decoded. "
                "Upload the whole recording."
            ) from error
        raise UnsupportedMedia() from error


def _lacks_its_index(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(12)[4:8] == b"ftyp"


def _declared_seconds(container: InputContainer, stream: AudioStream, path: Path) -> float | None:
    """What the header claims of the sound, or None if it is a guess: raw streams have no header, and a film's
    duration is its longest track's. A WAV header that claims more than the file holds is corrected by FFmpeg, so
    it is read here."""
    if container.format.name in HEADERLESS:
        return None
    if container.format.name == "wav" and (seconds := _wav_seconds(path)):
        return seconds
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def _wav_seconds(path: Path) -> float | None:
    """Length by the `fmt ` and `data` chunks, or None if they say nothing (a length of all ones: streamed)."""
    with open(path, "rb") as file:
        if file.read(4) != b"RIFF":
            return None
        file.seek(12)
        byte_rate = 0
        while len(header := file.read(8)) == 8:
            size = int.from_bytes(header[4:], "little")
            if header[:4] == b"data":
                return size / byte_rate if byte_rate and 0 < size < 0xFFFFFF00 else None
            body = file.read(min(size, 64))
            if header[:4] == b"fmt ":
                byte_rate = _byte_rate(body)
            file.seek(size + (size & 1) - len(body), 1)
    return None


def _byte_rate(form: bytes) -> int:
    """Bytes a second by a WAV's `fmt ` chunk. For PCM it follows from rate and frame size, which recorders get
    right more often than the field itself."""
    is_pcm = int.from_bytes(form[:2], "little") in (0x0001, 0x0003, 0xFFFE)
    if is_pcm:
        return int.from_bytes(form[4:8], "little") * int.from_bytes(form[12:14], "little")
    return int.from_bytes(form[8:12], "little")
