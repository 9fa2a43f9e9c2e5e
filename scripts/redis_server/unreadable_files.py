"""Files of Redis that its server cannot read: torn by a crash, or written by another version. The store has all that
matters, so they are set aside, and Redis starts empty."""

from __future__ import annotations

import logging
import shutil
import signal
import time
from pathlib import Path

from scripts.redis_server.orphan import NOTE, PID_FILE
from scripts.redis_server.runtime_directory import SOCKET

CONFIG = "redis.conf"
PREFIX = "unreadable-"
KEPT = 3  # of what was set aside; nothing reads it but people
_OURS = (NOTE, PID_FILE, SOCKET, CONFIG)
_ASKED_TO_END = {-number for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP") if (number := getattr(signal, name, 0))}

log = logging.getLogger(__name__)


class UnreadableFiles:
    """What a server leaves in `directory` that ends before it answers. log_file: where it says why."""

    def __init__(self, directory: Path, log_file: Path) -> None:
        self._directory = directory
        self._log_file = log_file
        self._is_done = False  # if it does not start without its files either, they were not the reason

    def server_failed(self, exit_code: int) -> None:
        """Called if the server ended before it answered. exit_code: negative for a signal."""
        if self._is_done or exit_code in _ASKED_TO_END:
            return
        self._is_done = True
        try:
            place = self._set_aside()
        except OSError as error:  # a disk that takes nothing; the supervisor tries on, and gives up in the end
            log.error("Redis could not start (%s), and its files cannot be set aside: %s", self._reason(), error)
            return
        if place:
            log.error(
                "Redis could not start on what it had written (%s). It is set aside in %s; Redis starts empty, and the "
                "jobs are queued again from the store.",
                self._reason(),
                place,
            )

    def server_answered(self) -> None:
        self._is_done = False

    def _set_aside(self) -> Path | None:
        written = [path for path in self._directory.iterdir() if not _is_ours(path)]
        if not written:
            return None
        place = self._directory / _name(time.time_ns())
        place.mkdir(mode=0o700)
        for path in written:
            path.rename(place / path.name)
        for old in sorted(self._directory.glob(f"{PREFIX}*"))[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return place

    def _reason(self) -> str:
        """The last warning in its log."""
        try:
            lines = self._log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-50:]
        except OSError:
            lines = []
        warnings = [line.partition(" # ")[2].strip() for line in lines if " # " in line]
        return warnings[-1].rstrip(".") if warnings else f"see {self._log_file}"


def _name(now: int) -> str:
    """now: nanoseconds since 1970. Names sort by time, which is why both parts come from one reading of the clock, and
    in UTC, which has no hour twice."""
    seconds, nanoseconds = divmod(now, 10**9)
    return f"{PREFIX}{time.strftime('%Y%m%dT%H%M%S', time.gmtime(seconds))}-{nanoseconds:09d}"


def _is_ours(path: Path) -> bool:
    return path.name in _OURS or path.name.startswith(PREFIX)
