"""Where an AVI film's sound begins late or pauses: FFmpeg's demuxer counts what was written and leaves this out.

There are no times in an AVI. A track is its chunks one after the other, from `dwStart` on; in codecs that have a chunk
for each frame, one that isn't there is written without a byte. Source: Microsoft's "AVI RIFF File Reference".
"""

from __future__ import annotations

import struct
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.audio.files.part import Part

MAX_CHUNKS = 1000  # on the file's upper floor
MAX_HEADER = 1 << 20  # bytes of the list of tracks
MAX_INDEX = 64 << 20  # bytes: four million chunks, ten hours of film and sound
MAX_START = 43_200.0  # seconds

_ENTRY = np.dtype([("name", "S4"), ("flags", "<u4"), ("offset", "<u4"), ("size", "<u4")])


class Pause(NamedTuple):
    """Silence before what lies at that byte of the file or behind it."""

    at: int
    seconds: float


class _Track(NamedTuple):
    """A `strh` chunk: seconds of a unit, units before the first, units in all, bytes of a unit (0: a chunk each)."""

    unit: float
    start: int
    length: int
    size: int


def avi_pauses(part: Part, stream: int) -> list[Pause]:
    """Of one track, in order. stream: its index among all of the file."""
    with part.open() as file:
        if (head := file.read(12))[:4] != b"RIFF" or head[8:] != b"AVI ":
            return []
        tracks: list[_Track] = []
        movie = 0
        for _ in range(MAX_CHUNKS):
            name, size, at = _next(file)
            if name == b"LISThdrl":
                tracks = _tracks(file.read(min(size, MAX_HEADER)))
            elif name == b"LISTmovi":
                movie = at - 4
            elif name[:4] == b"idx1" and len(tracks) > stream:
                index = np.frombuffer(_whole(file.read(min(size, MAX_INDEX))), _ENTRY)
                return [*_start(tracks[stream]), *_pauses(index, tracks[stream], stream, movie)]
            if not name:
                break
            file.seek(at + size + (size & 1) - 4 * (name[:4] == b"LIST"))
        return _start(tracks[stream]) if len(tracks) > stream else []


def _next(file: BinaryIO) -> tuple[bytes, int, int]:
    """A chunk's name (of a list with what it lists), its size, and where its content begins."""
    head = file.read(8)
    if len(head) < 8:
        return b"", 0, 0
    kind = file.read(4) if head[:4] == b"LIST" else b""
    return head[:4] + kind, int.from_bytes(head[4:], "little"), file.tell()


def _tracks(header: bytes) -> list[_Track]:
    found, at = [], 0
    while (at := header.find(b"strh", at)) >= 0 and len(header) >= at + 56:
        scale, rate, start, length = struct.unpack("<4I", header[at + 28 : at + 44])
        size = int.from_bytes(header[at + 52 : at + 56], "little")
        found.append(_Track(scale / rate if rate else 0.0, start, length, size))
        at += 56
    return found


def _whole(index: bytes) -> bytes:
    return index[: len(index) // _ENTRY.itemsize * _ENTRY.itemsize]


def _start(track: _Track) -> list[Pause]:
    seconds = track.start * track.unit
    return [Pause(0, seconds)] if 0 < seconds <= MAX_START else []


def _pauses(index: NDArray[np.void], track: _Track, stream: int, movie: int) -> list[Pause]:
    chunks = index[index["name"] == b"%02dwb" % stream]
    if track.size or len(chunks) != track.length:  # some recorders write empty chunks that count for nothing
        return []
    there = np.flatnonzero(chunks["size"])
    missing = np.diff(there, prepend=-1) - 1
    offsets = chunks["offset"][there].astype(np.int64)
    if len(index) and index["offset"][0] < movie:  # else they count from the file's beginning
        offsets += movie
    return [Pause(int(offsets[at]), float(missing[at]) * track.unit) for at in np.flatnonzero(missing)]
