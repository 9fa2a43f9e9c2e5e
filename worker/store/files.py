"""Files that are whole or not there: written aside, synced, named in one step; and who has one open."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from worker.runtime.file_lock import try_lock

NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)  # exFAT, some network drives
WINDOWS_PATIENCE = 10.0  # seconds


def private(path: str, flags: int) -> int:
    """An opener of files that nobody but the service's user may read."""
    return os.open(path, flags, 0o600)


def take(file: BinaryIO) -> bool:
    """Marks an open file as being worked on until it is closed; False if another has it, or on Windows."""
    if os.name == "nt":  # where a recording could be so long that its locked byte is not behind it
        return False
    try:
        return try_lock(file.fileno())
    except OSError:
        return False


def is_abandoned(path: Path) -> bool:
    """Whether nobody has the file `take`n, as far as the system can say."""
    try:
        with open(path, "r+b") as file:
            return take(file)
    except OSError:
        return False


def create(aside: Path, target: Path) -> None:
    """Gives a whole file its name; raises FileExistsError if that is taken."""
    try:
        os.link(aside, target)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        if target.exists():
            raise FileExistsError(target) from None
        os.replace(aside, target)  # on such a file system two that end a job in the same instant may both succeed


def share(file: Path, target: Path) -> None:
    """Gives a file that is never changed a second name, or copies it if the file system has no such names."""
    try:
        os.link(file, target)
    except OSError as error:
        if error.errno not in (*NO_HARD_LINKS, errno.EMLINK, errno.EXDEV):
            raise
        shutil.copyfile(file, target)


def patiently(call: Callable[[], None]) -> None:
    """Windows moves and removes no file that a slot still reads; the slot lets go of it within a window."""
    deadline = time.monotonic() + WINDOWS_PATIENCE
    while True:
        try:
            return call()
        except PermissionError:
            if os.name != "nt" or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def remove(path: Path) -> None:
    """If it is there."""
    patiently(lambda: path.unlink(missing_ok=True))


def write_synced(path: Path, content: bytes) -> None:
    """A new file that survives a loss of power once its directory is synced."""
    with open(path, "xb", opener=private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_all(descriptor: int, content: bytes) -> None:
    """A disk that is all but full takes a part, without an error until more is to be written."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def append_synced(path: Path, line: bytes) -> None:
    """In one piece, whoever else appends; raises FileNotFoundError if the directory is gone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        write_all(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(path: Path) -> str:
    """SHA-256 in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_directory(path: Path) -> None:
    if os.name == "nt":  # Windows has no handle of a directory to sync
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
