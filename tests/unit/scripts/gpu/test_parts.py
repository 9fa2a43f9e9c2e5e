"""Parts are below their size, and joined they are the folder again."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from scripts.gpu.parts import SUMS, write_parts

SIZE = 7_000  # of a part; no multiple of what tar writes at once


def test_the_parts_in_order_are_the_archive_and_their_sums_are_right(tmp_path: Path) -> None:
    source, target = tmp_path / "a folder", tmp_path / "parts"
    (source / "deep").mkdir(parents=True)
    target.mkdir()
    contents = {"large": bytes(range(256)) * 90, "deep/empty": b"", "deep/small": b"x"}
    for name, data in contents.items():
        (source / name).write_bytes(data)

    parts = write_parts(source, target, SIZE)

    assert parts == sorted(target.glob("pack.tar.*"))
    assert [part.stat().st_size for part in parts[:-1]] == [SIZE] * (len(parts) - 1)
    assert 0 < parts[-1].stat().st_size <= SIZE
    with tarfile.open(fileobj=io.BytesIO(b"".join(part.read_bytes() for part in parts))) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    assert {name: (tmp_path / "out" / "a folder" / name).read_bytes() for name in contents} == contents
    sums = [f"{hashlib.sha256(part.read_bytes()).hexdigest()}  {part.name}" for part in parts]
    assert (target / SUMS).read_text().splitlines() == sums
