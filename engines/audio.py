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
        self._packets = 0
        self._damaged = 0
        self.declared = _declared_seconds(self._container, path)

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
        resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        for frame in self._frames():
            frame.pts = None  # a gap in a damaged file must not stop the resampler
            yield from self._blocks(resampler, frame)
        if self._packets:
            yield from self._blocks(resampler, None)
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
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.error.EOFError):
                return
            except av.error.InvalidDataError:
                self._damaged += 1
                if self._damaged > 1000 + self._packets:  # nothing but damage
                    return
                packets = self._container.demux(self._stream)
                continue
            yield from self._decode(packet)

    def _decode(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        try:
            frames = packet.decode()
        except (av.error.InvalidDataError, av.error.EOFError):
            self._damaged += packet.size > 0
            return []
        self._packets += bool(frames)
        return frames

    def _blocks(self, resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[Samples]:
        try:
            resampled = resampler.resample(frame)
        except (av.error.FFmpegError, ValueError):  # the stream changed its rate or layout in mid-file
            self._damaged += 1
            return
        for block in resampled:
            samples = block.to_ndarray().reshape(-1).astype(np.float32, copy=False)
            self._samples += len(samples)
            if len(samples):
                yield samples


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


def _declared_seconds(container: InputContainer, path: Path) -> float | None:
    """What the header claims. A WAV header that claims more than the file holds is not believed by FFmpeg, so
    it is read here."""
    seconds = container.duration / av.time_base if container.duration else None
    if container.format.name != "wav":
        return seconds
    return _wav_seconds(path) or seconds


def _wav_seconds(path: Path) -> float | None:
    """Length by the `fmt ` and `data` chunks, or None where they say nothing (a length of all ones: streamed)."""
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
                byte_rate = int.from_bytes(body[8:12], "little")
            file.seek(size + (size & 1) - len(body), 1)
    return None
