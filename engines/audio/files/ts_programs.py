"""Where the sound of an MPEG transport stream goes on as another one: a broadcast between programmes, files joined byte
by byte. FFmpeg takes it for a further track, or for damage.

Source: ISO 13818-1, 2.4.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from engines.audio.files.reading import read_at

FORMS = ((188, 0), (192, 4), (204, 0))  # bytes of a packet, and those before its first
PACKETS = 8192  # that are looked at together
SYNC = 0x47
NO_START = -1  # in place of the PID of a packet in which no table begins

_SOUND = (0x03, 0x04, 0x0F, 0x11, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87)  # stream types
_PRIVATE = 0x06  # the type of what a descriptor says
_SOUND_DESCRIPTORS = (0x05, 0x6A, 0x7A, 0x7B, 0x7C, 0x7F)

Stream = tuple[int, int]  # its type, its PID
Check = Callable[[], None]


def is_transport_stream(file: BinaryIO) -> bool:
    """Whether it begins with whole packets."""
    return _form(file) is not None


def changes(file: BinaryIO, check: Check) -> Iterator[int]:
    """Bytes at which a table of programmes comes that lacks the first sound of the one before. check: called now and
    then; may raise."""
    form = _form(file)
    at, table_at = 0, 0
    maps: set[int] = set()  # PIDs
    last: dict[int, bytes] = {}
    sound: list[Stream] = []
    while form and len(block := read_at(file, at, form[0] * PACKETS)) >= form[0]:
        check()
        packets = np.frombuffer(block[: len(block) // form[0] * form[0]], np.uint8).reshape(-1, form[0])[:, form[1] :]
        if (packets[:, 0] != SYNC).any():
            return  # what is lost cannot be counted on
        pids = np.where(packets[:, 1] & 0x40, (packets[:, 1] & 0x1F).astype(np.int64) << 8 | packets[:, 2], NO_START)
        for content in {packets[row, 4:188].tobytes() for row in np.flatnonzero(pids == 0)}:
            maps |= set(_maps(content))
        for row in np.flatnonzero(np.isin(pids, [0, *maps])):
            pid, content = int(pids[row]), packets[row, 4:188].tobytes()
            if pid == 0:
                table_at = at + int(row) * form[0]
            elif last.get(pid) != content and (found := _sound(content)):
                last[pid] = content
                if sound and sound[0] not in found and table_at:
                    yield table_at
                sound = found
        at += len(packets) * form[0]


def _form(file: BinaryIO) -> tuple[int, int] | None:
    head = read_at(file, 0, 3 * 204)
    return next((form for form in FORMS if _is_regular(head, form)), None)


def _is_regular(head: bytes, form: tuple[int, int]) -> bool:
    size, before = form
    return len(head) > before + 2 * size and all(head[before + number * size] == SYNC for number in range(3))


def _section(content: bytes) -> bytes:
    """A table without its checksum, as far as it lies in this packet; content: what follows a packet's head."""
    section = content[1 + content[0] :]
    return section[: max(0, 3 + ((section[1] & 0x0F) << 8 | section[2]) - 4)] if len(section) > 12 else b""


def _maps(content: bytes) -> list[int]:
    section = _section(content)
    found = [section[at : at + 4] for at in range(8, len(section) - 3, 4)]
    return [(entry[2] & 0x1F) << 8 | entry[3] for entry in found if entry[:2] != b"\0\0"]


def _sound(content: bytes) -> list[Stream]:
    section = _section(content)
    if len(section) < 12 or section[0] != 2:
        return []
    found = []
    at = 12 + ((section[10] & 0x0F) << 8 | section[11])
    while at + 5 <= len(section):
        kind, pid = section[at], (section[at + 1] & 0x1F) << 8 | section[at + 2]
        length = (section[at + 3] & 0x0F) << 8 | section[at + 4]
        if kind in _SOUND or (kind == _PRIVATE and _says_sound(section[at + 5 : at + 5 + length])):
            found.append((kind, pid))
        at += 5 + length
    return found


def _says_sound(descriptors: bytes) -> bool:
    at = 0
    while at + 2 <= len(descriptors):
        if descriptors[at] in _SOUND_DESCRIPTORS:
            return True
        at += 2 + descriptors[at + 1]
    return False
