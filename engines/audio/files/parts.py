"""Where one recording follows another in a file: what was joined byte by byte, a stream that began anew on its way.

FFmpeg takes the first, and of some kinds the next if it is alike. Which bytes begin a recording is known for each
kind of container: they are looked for where the one before ends or, if that has no length, all through the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from engines.audio.files.ebml import ebml_size
from engines.audio.files.part import Part
from engines.audio.files.reading import read_at
from engines.audio.files.ts_programs import changes, is_transport_stream

MAX_PARTS = 10_000  # after which the rest is one
MAX_BOXES = 100_000  # of an MP4 that are gone through: ten hours in fragments of a second
MAX_CHUNKS = 10_000  # of other containers
BLOCK = 1 << 20  # bytes that are looked through at once
HEAD = 64  # bytes that tell a recording's beginning

_BEGINNINGS = re.compile(
    rb"RIFF....(?:WAVE|AVI )|RF64....WAVEds64|FORM....AIF[FC]|\.snd\x00\x00|caff\x00\x01\x00\x00"
    rb"|riff\x2e\x91\xcf\x11|OggS\x00\x02|fLaC[\x00\x80]\x00\x00\x22|#!AMR(?:-WB)?\n|FLV\x01[\x01\x04\x05]\x00\x00\x00\x09"
    rb"|TTA1[\x01\x02]\x00|....ftyp|\x1a\x45\xdf\xa3|\x30\x26\xb2\x75\x8e\x66\xcf\x11|Creative Voice File\x1a",
    re.DOTALL,
)
_SCANNED = {  # containers without a length: how a further one of the kind begins
    b"OggS": rb"OggS\x00[\x02\x06]",
    b"fLaC": rb"fLaC[\x00\x80]\x00\x00\x22[^\x00]",
    b"#!AM": rb"#!AMR(?:-WB)?\n",
    b"FLV\x01": rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00",
    b"TTA1": rb"TTA1[\x01\x02]\x00",
    b"\x30\x26\xb2\x75": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
    b"Crea": rb"Creative Voice File\x1a",
    b"\x1a\x45\xdf\xa3": rb"\x1a\x45\xdf\xa3[\x01\x80-\xff].{0,7}\x42[\x82\x86]",
}
_NO_CHUNKS = (b"RIFF", b"RF64", b"FORM", b"OggS", b"fLaC", b"caff", b"riff", b".snd", b"TTA1", b"Crea", b"#!AM")
_DATA = b"data"

Check = Callable[[], None]


def parts_of(path: Path, check: Check) -> list[Part]:
    """The file's recordings, in order; nearly always one, which is all of it. check: called now and then; may raise.
    Raises OSError."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        first = _behind_tags(file)
        further = changes(file, check) if is_transport_stream(file) else _further(file, first, size, check)
        starts = [first, *islice(further, MAX_PARTS)]
        parts = [
            _spliced(file, path, start, end) or Part(path, ((start, end),))
            for start, end in zip(starts, [*starts[1:], size], strict=True)
        ]
    is_one = len(parts) == 1 and not first and not parts[0].head
    return [Part(path)] if is_one else parts


def _behind_tags(file: BinaryIO) -> int:
    """Where the first recording begins: some programs write an MP3's tags before whatever they are given."""
    head = read_at(file, 0, 10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    at = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    return at if _begins(file, at) else 0


def _further(file: BinaryIO, start: int, size: int, check: Check) -> Iterator[int]:
    while True:
        head = read_at(file, start, HEAD)
        scanned = _SCANNED.get(head[:4])
        end = _end(file, start, head)
        if end is None and scanned:
            end = _found(file, start, re.compile(scanned, re.DOTALL), check)
        if end is None or not start < end < size or not _begins(file, end):
            return
        yield end
        start = end
        check()


def _begins(file: BinaryIO, at: int) -> bool:
    return _BEGINNINGS.match(read_at(file, at, HEAD)) is not None


def _end(file: BinaryIO, start: int, head: bytes) -> int | None:
    """Where the recording ends by its own header; None if it doesn't say, or that is no place."""
    if head[:4] == b"RIFF":
        length = int.from_bytes(head[4:8], "little")
        return _of_chunks(file, start) if head[8:12] == b"WAVE" else start + 8 + length + (length & 1)
    if head[:4] == b"RF64":
        return start + 8 + int.from_bytes(head[20:28], "little")
    if head[:4] == b"FORM":
        length = int.from_bytes(head[4:8])
        return start + 8 + length + (length & 1)
    if head[:4] == b"riff":
        length = int.from_bytes(head[16:24], "little")
        return start + length + -length % 8
    if head[:4] == b".snd":
        return start + int.from_bytes(head[4:8]) + int.from_bytes(head[8:12])
    if head[:4] == b"caff":
        return _of_caf(file, start)
    if head[4:8] == b"ftyp":
        return _of_boxes(file, start)
    return _of_segment(head, start) if head[:4] == b"\x1a\x45\xdf\xa3" else None


def _of_chunks(file: BinaryIO, start: int) -> int:
    """A WAV's, whatever its header says of all: chunks, until another recording or something else."""
    end = start
    for name, at, size in _chunks(file, start):
        if name in _NO_CHUNKS:
            return at
        end = at + 8 + size + (size & 1)
    return end


def _chunks(file: BinaryIO, start: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and size of each chunk, as far as they make sense."""
    at = start + 12
    for _ in range(MAX_CHUNKS):
        head = read_at(file, at, 8)
        size = int.from_bytes(head[4:], "little")
        if len(head) < 8 or not all(0x20 <= byte < 0x7F for byte in head[:4]):
            return
        yield head[:4], at, size
        at += 8 + size + (size & 1)


def _of_caf(file: BinaryIO, start: int) -> int | None:
    at = start + 8
    for _ in range(MAX_CHUNKS):
        head = read_at(file, at, 12)
        if len(head) < 12 or (head[:4] == b"data" and int.from_bytes(head[4:]) >= 1 << 63):
            return None
        if head[:6] == b"caff\0\1" or not head[:4].strip().isalnum():
            return at
        at += 12 + int.from_bytes(head[4:])
    return None


def _of_boxes(file: BinaryIO, start: int) -> int | None:
    """Of MP4: a further `ftyp`, or what is no box. Its fragments may come with a `styp`, which is none."""
    at = start
    for _ in range(MAX_BOXES):
        head = read_at(file, at, 16)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:])
        if (head[4:8] == b"ftyp" and at > start) or not head[4:8].isalnum():
            return at
        if length < 8:
            return None
        at += length
    return None


def _of_segment(head: bytes, start: int) -> int | None:
    """Of Matroska, if its segment has a length."""
    width, length = ebml_size(head, 4)  # of the EBML header
    at = 4 + width + length
    if head[at : at + 4] != b"\x18\x53\x80\x67":
        return None
    width, length = ebml_size(head, at + 4)
    return start + at + 4 + width + length if 0 < width <= 8 and length < (1 << 7 * width) - 1 else None


def _found(file: BinaryIO, start: int, beginning: re.Pattern[bytes], check: Check) -> int | None:
    """The next place that begins a recording: not one of several streams that begin together."""
    seen = start
    end_of_last = _end_of_page(file, start)
    at, held = start, b""
    file.seek(start)
    while block := file.read(BLOCK):
        held += block
        for place in (at + found.start() for found in beginning.finditer(held)):
            if place > seen and place != end_of_last:
                return place
            if place > seen:
                seen, end_of_last = place, _end_of_page(file, place)
        kept = held[-HEAD:]
        at, held = at + len(held) - len(kept), kept
        file.seek(at + len(held))
        check()
    return None


def _end_of_page(file: BinaryIO, at: int) -> int:
    """Of Ogg; other containers have none."""
    head = read_at(file, at, 27)
    return at + 27 + head[26] + sum(file.read(head[26])) if head[:4] == b"OggS" and len(head) == 27 else at


def _spliced(file: BinaryIO, path: Path, start: int, end: int) -> Part | None:
    """A WAV of several `data` chunks as one, of which FFmpeg would take the last; and one whose samples have bits that
    are not used, which it would take for another format. None for all others."""
    if read_at(file, start, 4) != b"RIFF":
        return None
    form, form_at, claimed, pieces = b"", 0, 0, []
    for name, at, size in _chunks(file, start):
        if at >= end:
            break
        if name == b"fmt " and not form:
            form, form_at = read_at(file, at, 8 + min(size, 1024)), at
        if name == _DATA and size:
            pieces.append((at + 8, min(at + 8 + size, end)))
            claimed += size
    right = _with_all_bits(form)
    if len(pieces) > 1 and form:
        sizes = [min(number, 0xFFFFFFFF).to_bytes(4, "little") for number in (claimed + len(form) + 12, claimed)]
        return Part(path, tuple(pieces), b"RIFF" + sizes[0] + b"WAVE" + right + _DATA + sizes[1])
    if right != form:
        return Part(path, ((form_at + len(form), end),), read_at(file, start, form_at - start) + right)
    return None


def _with_all_bits(form: bytes) -> bytes:
    """A `fmt ` chunk of 32-bit integers of which 24 count, as of 32: the others are zeros."""
    kind, bits, counting, sub = form[8:10], form[22:24], form[26:28], form[32:34]
    if kind == b"\xfe\xff" and sub == b"\1\0" and bits == b"\x20\0" and counting == b"\x18\0":
        return form[:26] + bits + form[28:]
    return form
