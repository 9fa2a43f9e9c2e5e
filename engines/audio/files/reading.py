"""Bytes at a place that a file names, true or not."""

from __future__ import annotations

from typing import BinaryIO

MAX_PLACE = 1 << 42  # bytes: no file is longer, and systems refuse to go further at different places


def read_at(file: BinaryIO, at: int, count: int) -> bytes:
    """Fewer bytes at the file's end, none behind it."""
    if not 0 <= at < MAX_PLACE:
        return b""
    file.seek(at)
    return file.read(count)
