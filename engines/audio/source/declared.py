"""How long a container says its sound is, as far as that is more than a guess."""

from __future__ import annotations

from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container.input import InputContainer

from engines.audio.source.wav_header import wav_header

HEADERLESS = ("aac", "ac3", "amr", "amrnb", "amrwb")  # raw streams: FFmpeg guesses their length from a bit rate
_MP3_LENGTHS = (b"Xing", b"Info", b"VBRI")  # headers in the first frame that count the frames
_FIRST_FRAME = 4096  # bytes in which such a header lies


def declared_seconds(container: InputContainer, stream: AudioStream, path: Path, begins: float) -> float | None:
    """Where the sound ends by the header, in seconds, or None if that is a guess: raw streams have no header, and a
    film's duration is its longest track's. A WAV header that claims more than the file holds is corrected by FFmpeg,
    so it is read here. begins: seconds of the recording before the sound."""
    if container.format.name in HEADERLESS or (container.format.name == "mp3" and not _counts_its_frames(path)):
        return None
    if container.format.name == "wav" and (header := wav_header(path)):
        return header.declared
    if stream.duration and stream.time_base:
        end = stream.duration - (stream.start_time or 0 if container.format.name == "ogg" else 0)  # Ogg gives the end
        return begins + float(end * stream.time_base)
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def _counts_its_frames(path: Path) -> bool:
    """Without such a header an mp3's length is guessed by the bit rate of its first frame."""
    with open(path, "rb") as file:
        head = file.read(10)
        at = 0
        if head[:3] == b"ID3" and len(head) == 10:
            at = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        file.seek(at)
        first = file.read(_FIRST_FRAME)
    return any(name in first for name in _MP3_LENGTHS)
