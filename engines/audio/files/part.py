"""A recording that is a file, or lies in one behind others, or in pieces."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, cast

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
        file = open(self.path, "rb")  # noqa: SIM115 - whoever asked for it closes it
        if self.pieces is None:
            return file
        return cast(BinaryIO, io.BufferedReader(_Pieces(file, self.head, self.pieces), BUFFER))


class _Pieces(io.RawIOBase):
    def __init__(self, file: BinaryIO, head: bytes, pieces: Iterable[tuple[int, int]]) -> None:
        self._file, self._head = file, head
        self._pieces = list(pieces)
        self._size = len(head) + sum(end - start for start, end in self._pieces)
        self._at = 0

    def __enter__(self) -> Self:
        return self

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
                self._file.seek(start + left)
                return self._file.read(min(most, end - start - left))
            left -= end - start
        return b""

    def close(self) -> None:
        self._file.close()
        super().close()
