"""A recording that is a file, or lies in one behind others, or in pieces."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

BUFFER = 1 << 16  # bytes


@dataclass(frozen=True, slots=True)
class Part:
    """pieces: (first byte, byte behind the last) of the file, one after the other; None: all of it. head: bytes that
    are read before them."""

    path: Path
    pieces: tuple[tuple[int, int], ...] | None = None
    head: bytes = b""

    @classmethod
    def of(cls, recording: Path | Part) -> Part:
        """A path is all of its file."""
        return recording if isinstance(recording, Part) else Part(recording)

    @property
    def size(self) -> int:
        """Bytes. Raises OSError if the system does not give the file."""
        if self.pieces is None:
            return self.path.stat().st_size
        return len(self.head) + sum(end - start for start, end in self.pieces)

    def open(self) -> BinaryIO:
        """Raises OSError."""
        if self.pieces is None:
            return open(self.path, "rb")
        return cast(BinaryIO, io.BufferedReader(_Pieces(self.path, self.head, self.pieces), BUFFER))


class _Pieces(io.RawIOBase):
    """FFmpeg's side keeps it as long as the container lives, so it is closed with its last reference at the latest."""

    def __init__(self, path: Path, head: bytes, pieces: Iterable[tuple[int, int]]) -> None:
        self._file = -1
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._head = head
        self._pieces = list(pieces)
        self._size = len(head) + sum(end - start for start, end in self._pieces)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]  # the stubs know no name for a buffer
        data = self._read(len(target))
        target[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _read(self, most: int) -> bytes:
        """What lies at the place, to the end of its piece at most."""
        if self._at < len(self._head):
            return self._head[self._at : self._at + most]
        left = self._at - len(self._head)
        for start, end in self._pieces:
            if left < end - start:
                os.lseek(self._file, start + left, os.SEEK_SET)
                return os.read(self._file, min(most, end - start - left))
            left -= end - start
        return b""

    def close(self) -> None:
        if not self.closed and self._file >= 0:
            os.close(self._file)
        super().close()
