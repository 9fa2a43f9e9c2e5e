"""Where the server's socket and configuration lie."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

from scripts.redis_server.program import RedisUnavailable

SOCKET = "redis.sock"
SOCKET_PATH_LIMIT = 100  # bytes; the systems take 104 to 108
_PLAIN = re.compile(r"[A-Za-z0-9/._+@=-]+")


def runtime_directory(directory: Path) -> Path:
    """The server's own directory, or a short private one if that path is too long for a socket or not plain: Redis
    lists its clients with the socket's path in lines that are split at spaces, and takes a bracket in the name of its
    configuration for a pattern. Raises RedisUnavailable."""
    if _is_fit(directory):
        return directory
    name = "whisper-" + hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - made private below
        if base and _is_fit(Path(base) / name):
            return _private_directory(Path(base) / name)
    raise RedisUnavailable(
        "There is no short path for a socket. Set WHISPER_DATA_DIR to a directory with a shorter one."
    )


def _is_fit(directory: Path) -> bool:
    is_short = len(os.fsencode(directory / SOCKET)) <= SOCKET_PATH_LIMIT
    return is_short and _PLAIN.fullmatch(str(directory)) is not None


def _private_directory(path: Path) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    is_foreign = sys.platform != "win32" and found.st_uid != os.geteuid()
    if path.is_symlink() or is_foreign or found.st_mode & 0o077:
        raise RedisUnavailable(f"{path} belongs to somebody else or is open to others. Remove it and try again.")
    return path
