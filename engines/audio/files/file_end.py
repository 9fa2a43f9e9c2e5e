"""Whether a file ends where its container does. Whoever loses the connection keeps a file that looks whole to a
player, and that FFmpeg reads without a word."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

from engines.audio.files.ebml import ebml_size
from engines.audio.files.part import Part
from engines.audio.files.reading import read_at
from engines.audio.files.wav_header import wav_header

MAX_BOXES = 100_000  # boxes or chunks of a file that are gone through: ten hours in fragments of a second
OGG_PAGE = 65_307  # bytes, the largest
CLUSTERS = 8 << 20  # bytes at the end in which Matroska's last cluster is looked for
SLACK = 1024  # bytes by which a size of all the rest may be wrong
STREAMED = 0x7FFF0000  # bytes from which a size in 32 bits is no claim

_CLUSTER = b"\x1f\x43\xb6\x75"
_MASTERS = (_CLUSTER, b"\x18\x53\x80\x67")  # with parts that are gone through: clusters and segments
_ELEMENTS = (  # others, of segments, clusters, and files
    b"\xe7 \xa7 \xab \xa3 \xa0 \xaf \xec \xbf \x58\x54 \x1c\x53\xbb\x6b \x12\x54\xc3\x67 \x15\x49\xa9\x66"
    b" \x16\x54\xae\x6b \x10\x43\xa7\x70 \x19\x41\xa4\x69 \x11\x4d\x9b\x74 \x1a\x45\xdf\xa3"
).split(b" ")


def ends_early(part: Part) -> bool:
    """Whether the last part that the container speaks of is not there, or not whole. False also for containers that
    don't say."""
    if header := wav_header(part):
        return header.is_missing_some
    with part.open() as file:
        head = file.read(16)
        for matches, look in _KINDS:
            if matches(head):
                return look(file, part.size)
    return False


def _ogg(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - 2 * OGG_PAGE))
    tail = file.read()
    at = tail.rfind(b"OggS\0")
    head = tail[at : at + 27]
    if at < 0:
        return False
    sizes = tail[at + 27 : at + 27 + head[26]] if len(head) == 27 else b""
    if len(head) < 27 or len(sizes) < head[26] or at + 27 + len(sizes) + sum(sizes) > len(tail):
        return True
    return sizes[-1:] == b"\xff"  # the packet goes on in a page that isn't there


def _matroska(file: BinaryIO, size: int) -> bool:
    window = min(CLUSTERS, size)
    file.seek(size - window)
    tail = file.read()
    at = len(tail)
    while (at := tail.rfind(_CLUSTER, 0, at)) >= 0:
        first = at + 4 + ebml_size(tail, at + 4)[0]
        if tail[first : first + 1] in (b"\xe7", b"\xbf"):  # a time or a checksum, or it is no cluster
            return _elements_end_early(tail, at)
    return False


def _elements_end_early(data: bytes, at: int) -> bool:
    while at < len(data):
        width = next((count for count in range(1, 5) if data[at] >> (8 - count)), 5)  # bytes of its id
        name = data[at : at + width]
        length, number = ebml_size(data, at + width)
        if len(name) < width or not length or at + width + length > len(data):
            return width < 5 and any(known.startswith(name) for known in (*_MASTERS, *_ELEMENTS))
        if name not in _MASTERS and name not in _ELEMENTS:
            return False  # it is something else that follows
        at += width + length
        if name not in _MASTERS:
            at += number
    return at > len(data)


def _boxes(file: BinaryIO, size: int) -> bool:
    """MP4 and its kin: boxes one after the other, of which those with sound count."""
    at = 0
    for _ in range(MAX_BOXES):
        head = read_at(file, at, 16)
        length, name = int.from_bytes(head[:4]), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16])
        if len(head) < 8 or not name.isalnum() or length < 8:  # the end, the last box, or what is none
            return False
        at += length
        if at > size:
            return name in (b"mdat", b"moof")
    return False


def _riff(file: BinaryIO, size: int) -> bool:
    """AVI; from 1 GB on it is several, one after the other."""
    at = 0
    for _ in range(MAX_BOXES):
        head = read_at(file, at, 12)
        if head[:4] != b"RIFF" or head[8:11] != b"AVI":
            return False
        length = int.from_bytes(head[4:8], "little")
        if not 0 < length < STREAMED:
            return False
        at += 8 + length + (length & 1)
        if at > size:
            return at > size + SLACK
    return False


def _wave64(file: BinaryIO, size: int) -> bool:
    at = 40
    for _ in range(MAX_BOXES):
        head = read_at(file, at, 24)
        if len(head) < 24:
            return False
        length = int.from_bytes(head[16:], "little")
        if head[:4] == b"data":
            return size < at + length < 1 << 62
        at += max(24, length + -length % 8)
    return False


def _caf(file: BinaryIO, size: int) -> bool:
    at = 8
    for _ in range(MAX_BOXES):
        head = read_at(file, at, 12)
        if len(head) < 12:
            return False
        length = struct.unpack(">q", head[4:])[0]
        if head[:4] == b"data" or length < 0:
            return bool(at + 12 + length > size)
        at += 12 + length
    return False


def _sox(file: BinaryIO, size: int) -> bool:
    """A head, and samples of four bytes."""
    order = "<" if (head := read_at(file, 0, 16))[:4] == b".SoX" else ">"
    if len(head) < 16:
        return False
    before, samples = struct.unpack(f"{order}IQ", head[4:])
    return bool(before + 4 * samples > size)


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, int], bool]], ...] = (
    (lambda head: head[:4] == b"OggS", _ogg),
    (lambda head: head[:4] == b"\x1a\x45\xdf\xa3", _matroska),
    (lambda head: head[4:8] in (b"ftyp", b"styp", b"moov", b"moof", b"mdat"), _boxes),
    (lambda head: head[:4] == b"RIFF", _riff),
    (lambda head: head[:4] == b"riff", _wave64),
    (lambda head: head[:4] == b"caff", _caf),
    (lambda head: head[:4] in (b".SoX", b"XoS."), _sox),
)
