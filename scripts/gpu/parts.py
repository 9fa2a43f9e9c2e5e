"""A folder as one archive in parts that are each below a size: `cat` joins them."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any, BinaryIO

NAME = "pack.tar"
SUMS = "SHA256SUMS"


def write_parts(source: Path, target: Path, size: int) -> list[Path]:
    """Writes `pack.tar.000`, `pack.tar.001` … and their sums, as `sha256sum -c` reads them. size: bytes of a part."""
    with _Parts(target, size) as parts, tarfile.open(fileobj=parts, mode="w|") as archive:
        archive.add(source, arcname=source.name)
    sums = [f"{digest}  {path.name}\n" for path, digest in parts.written]
    (target / SUMS).write_text("".join(sums), encoding="utf-8")
    return [path for path, _ in parts.written]


class _Parts(io.RawIOBase):
    """What an archive is written to. written: the parts that are whole, with their sums."""

    def __init__(self, target: Path, size: int) -> None:
        self._target = target
        self._size = size
        self._file: BinaryIO | None = None
        self._left = 0
        self._digest = hashlib.sha256()
        self.written: list[tuple[Path, str]] = []

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        while rest:
            if self._file is None or not self._left:
                self._end()
                self._file = open(self._target / f"{NAME}.{len(self.written):03}", "xb")  # noqa: SIM115 - see _end
                self._left, self._digest = self._size, hashlib.sha256()
            piece, rest = rest[: self._left], rest[self._left :]
            self._file.write(piece)
            self._digest.update(piece)
            self._left -= len(piece)
        return len(data)

    def close(self) -> None:
        self._end()
        super().close()

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self.written.append((Path(self._file.name), self._digest.hexdigest()))
            self._file = None
