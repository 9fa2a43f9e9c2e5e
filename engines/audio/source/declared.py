"""How long a container says its sound is, as far as that is more than a guess."""

from __future__ import annotations

import re

import av
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.stream import Disposition, Stream

from engines.audio.files.part import Part
from engines.audio.files.wav_header import wav_header

# Raw streams, whose length FFmpeg guesses from a bit rate, and those that it tells by the last stamp of any track.
HEADERLESS = ("aac", "ac3", "amr", "amrnb", "amrwb", "dts", "eac3", "loas", "mlp", "mpeg", "mpegts", "truehd")
STREAMS = (*HEADERLESS, "mp3")  # that may begin anywhere
_OF_TRACKS = ("mov", "avi", "ogg")  # demuxers whose tracks have a length of their own; others give all the film's
_MP3_LENGTHS = (b"Xing", b"Info", b"VBRI")  # headers in the first frame that count the frames
_HAS_COUNT = 1  # flag of `Xing` and `Info`
_FRAME_SIZES = (576, 1152)  # samples of a frame of MPEG-2 and 1
_FIRST_FRAME = 4096  # bytes in which such a header lies


def declared_seconds(container: InputContainer, stream: AudioStream, part: Part, begins: float) -> float | None:
    """Where the sound ends by the header, in seconds, or None if that is a guess: raw streams have no header, and a
    film's duration is its longest track's. A WAV header that claims more than the file holds is corrected by FFmpeg,
    so it is read here. begins: seconds of the recording before the sound."""
    if container.format.name in HEADERLESS or (container.format.name == "mp3" and not _is_counted(stream, part)):
        return None
    if container.format.name == "wav" and (header := wav_header(part)):
        return header.declared
    is_alone = all(other is stream or _is_cover(other) for other in container.streams)
    is_its_own = is_alone or container.format.name.partition(",")[0] in _OF_TRACKS
    if stream.duration and stream.time_base and is_its_own:
        end = stream.duration - (stream.start_time or 0 if container.format.name == "ogg" else 0)  # Ogg gives the end
        return begins + float(end * stream.time_base)
    if container.duration and is_alone:
        return container.duration / av.time_base
    return _by_its_tag(stream.metadata.get("DURATION", ""))  # Matroska's, which has no other of one track


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _by_its_tag(tag: str) -> float | None:
    found = re.fullmatch(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d{1,9})?)", tag)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _is_counted(stream: AudioStream, part: Part) -> bool:
    """Whether an mp3's length is that of its header. Without one, and in a file that is longer than it says (two that
    were joined), it is guessed by the bit rate of the first frame."""
    first = _first_frame(part)
    at = max(first.find(name) for name in _MP3_LENGTHS)
    if at < 0 or first[at : at + 4] == b"VBRI" or not first[at + 7 : at + 8] or not first[at + 7] & _HAS_COUNT:
        return at >= 0
    seconds = float((stream.duration or 0) * (stream.time_base or 0)) * stream.rate
    count = int.from_bytes(first[at + 8 : at + 12])
    return any(abs(seconds - count * size) <= seconds / 50 + 2 * size for size in _FRAME_SIZES)


def _first_frame(part: Part) -> bytes:
    with part.open() as file:
        head = file.read(10)
        at = 0
        if head[:3] == b"ID3" and len(head) == 10:
            at = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        file.seek(at)
        return file.read(_FIRST_FRAME)
