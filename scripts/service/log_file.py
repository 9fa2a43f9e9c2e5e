"""Reads the service's log from its end, and keeps it from growing without bound."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from worker.runtime.log_file import is_at, reopen

MAX_BYTES = 20 * 1024 * 1024  # bytes above which a log is set aside; one older one is kept
BLOCK = 64 * 1024  # bytes
FOLLOW_EVERY = 0.3  # seconds
SETTLE = 5.0  # seconds; before all processes have noticed, another rotation would replace the file they still write to

log = logging.getLogger(__name__)


def rotate(path: Path) -> bool:
    """Sets a large log aside as `<name>.1`; returns whether it did. Windows refuses while somebody writes to it, and
    any system if its disk takes nothing."""
    try:
        if path.stat().st_size <= MAX_BYTES:
            return False
        path.replace(path.with_name(f"{path.name}.1"))
    except OSError:
        return False
    return True


class LogRotation:
    """Sets logs aside as they grow, while they are written to. own: the file that this process's output goes to.
    others: files of programs that open them anew for every line."""

    def __init__(self, own: Path | None, others: Sequence[Path] = ()) -> None:
        self._own = own
        self._others = others
        self._again_at = 0.0  # monotonic seconds
        self._is_behind = False  # our output still goes to what was set aside

    def look(self) -> None:
        for path in self._others:
            rotate(path)
        if self._own is None:
            return
        if time.monotonic() >= self._again_at and rotate(self._own):
            self._again_at, self._is_behind = time.monotonic() + SETTLE, True
        if self._is_behind:
            self._go_on(self._own)

    def _go_on(self, own: Path) -> None:
        """In the new file. If its disk has no room for a directory entry, the next look tries again."""
        try:
            reopen(own)
        except OSError:
            return
        self._is_behind = False
        log.info("The log had grown large: what was before is in %s.1", own)


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
    file = open(path, "rb")  # noqa: SIM115 - another takes its place when the log is rotated
    try:
        position = file.seek(0, os.SEEK_END)
        print(tail(path, lines, end=position), end="", flush=True)
        while follow:
            time.sleep(FOLLOW_EVERY)
            _print_rest(file)
            if path.exists() and not is_at(path, file.fileno()):
                _print_rest(file)  # what came between the two looks
                file.close()
                file = open(path, "rb")  # noqa: SIM115
                _print_rest(file)
    finally:
        file.close()


def _print_rest(file: BinaryIO) -> None:
    sys.stdout.write(file.read().decode("utf-8", errors="replace"))
    sys.stdout.flush()
