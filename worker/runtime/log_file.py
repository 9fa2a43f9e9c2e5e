"""Standard output and error of a process while they are a log file that is rotated.

They are the file itself, no pipe: then nobody has to read for others to go on, and the last words of a process that is
killed arrive. Who rotates renames the file. What a process writes until it notices goes into the renamed one, so that
no line is lost; then it goes on in the new one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

LOG_FILE = "WHISPER_LOG_FILE"  # set by the supervisor for the processes it starts, if its output goes to a file
FOLLOW_EVERY = 1.0  # seconds


def follow() -> None:
    """Keeps this process's output in the log file, through rotations; without such a file it does nothing."""
    if path := os.environ.get(LOG_FILE):
        threading.Thread(target=_follow, args=(Path(path),), name="log-file", daemon=True).start()


def reopen(path: Path, descriptors: Iterable[int] = (1, 2)) -> None:
    """Points the descriptors at the file that has this name now, which is made if there is none."""
    with open(path, "ab") as file:
        for descriptor in descriptors:
            os.dup2(file.fileno(), descriptor)


def _follow(path: Path) -> None:
    while True:
        time.sleep(FOLLOW_EVERY)
        try:
            if not is_at(path, 2):
                reopen(path)
        except OSError:  # a disk without room for a directory entry, say: the next look tries again
            continue


def is_at(path: Path, descriptor: int) -> bool:
    """Whether the descriptor is the file that has this name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
