"""How long a recording says it is, without decoding it. For admission alone: what it says may be wrong."""

from __future__ import annotations

from typing import BinaryIO, cast

from tinytag import TinyTag, TinyTagException

MAX_READ = 16 * 1024 * 1024  # bytes to look for it in
MAX_SECONDS = 48 * 3600.0  # seconds; whatever a header says beyond it
ASSUMED_RATE = 16_000  # bytes a second, if a file does not say: 128 kbit/s …
ASSUMED = 3600.0  # seconds, of a recording that is yet to be fetched
ASSUMED_MOST = 4 * 3600.0  # … and no longer than this, since a film has more of them


def declared_seconds(recording: BinaryIO, size: int) -> float:
    """Seconds of audio by the file's own headers, or a guess by its size. size: in bytes."""
    seconds = known_seconds(recording)
    return min(size / ASSUMED_RATE, ASSUMED_MOST) if seconds is None else min(seconds, MAX_SECONDS)


def known_seconds(recording: BinaryIO) -> float | None:
    """Seconds of audio by the file's own headers, if they say."""
    try:
        tag = TinyTag.get(file_obj=cast(BinaryIO, _Sparing(recording)), tags=False)
    except (TinyTagException, _TooMuch):
        return None
    return tag.duration if tag.duration and tag.duration > 0 else None  # which goes for NaN too


class _TooMuch(Exception):
    """The answer lies too deep in the file."""


class _Sparing:
    """A file of which only so much is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._left = MAX_READ
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise _TooMuch
        return data
