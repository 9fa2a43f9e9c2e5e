"""Reads the service's log from its end, and keeps it from growing without bound."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

MAX_BYTES = 20 * 1024 * 1024  # bytes at a start above which the log is set aside; one older one is kept
BLOCK = 64 * 1024  # bytes
FOLLOW_EVERY = 0.3  # seconds


def rotate(path: Path) -> None:
    """Sets a large log aside as `<name>.1`. To be called while nobody writes to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > MAX_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))


def tail(path: Path, lines: int, *, beginning: int = 0, end: int | None = None) -> str:
    """The last `lines` lines of what stands between two bytes of the file; by default of all."""
    if lines <= 0:
        return ""
    found = b""
    with open(path, "rb") as file:
        position = file.seek(0, os.SEEK_END) if end is None else end
        while position > beginning and found.count(b"\n") <= lines:
            size = min(BLOCK, position - beginning)
            position -= size
            file.seek(position)
            found = file.read(size) + found
    return b"".join(found.splitlines(keepends=True)[-lines:]).decode("utf-8", errors="replace")


def show(path: Path, lines: int, *, follow: bool) -> None:
    """Prints the end of the log; with `follow` it goes on until interrupted, through rotations too."""
    position = path.stat().st_size
    print(tail(path, lines, end=position), end="", flush=True)
    while follow:
        time.sleep(FOLLOW_EVERY)
        size = path.stat().st_size if path.exists() else 0
        if size < position:
            position = 0  # set aside meanwhile
        if size > position:
            with open(path, "rb") as file:
                file.seek(position)
                added = file.read()
            position += len(added)
            sys.stdout.write(added.decode("utf-8", errors="replace"))
            sys.stdout.flush()
