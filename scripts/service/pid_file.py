"""Which process is the service. A lock on the file says so, not the number in it: numbers are used again, and a lock
ends with its process however that ended."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from worker.runtime.file_lock import try_lock
from worker.store.record_format import RecordFormat, RecordUnreadable

LOCK_TIMEOUT = 2.0  # seconds; a command that looks at the lock holds it for a moment

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """The service process. started_at: unix seconds. log: where its output goes, None for a terminal.

    overrides: settings that options replaced, for a restart. redis_url: where it keeps its queues.
    """

    pid: int
    started_at: float
    url: str
    log: str | None
    redis_url: str
    overrides: dict[str, str] = field(default_factory=dict)


RUNNING = RecordFormat("the pid file", Running, is_numbered=False)


class AlreadyRunning(Exception):
    """Another process is the service of this data directory."""


class PidFile:
    """The first line is the process id; the second says the rest, as JSON. Empty when the service has stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def hold(self) -> None:
        """Makes this process the service, until `release` or its end. Raises AlreadyRunning."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = open(self._path, "a+", encoding="utf-8", opener=_private)  # noqa: SIM115 - stays open
        with contextlib.suppress(OSError):  # of another user, who let us write
            self._path.chmod(0o600)  # it may be of an earlier version
        deadline = time.monotonic() + LOCK_TIMEOUT
        while not _lock(file):
            if time.monotonic() > deadline:
                file.close()
                raise AlreadyRunning
            time.sleep(0.05)
        file.truncate(0)
        self._file = file

    def write(self, running: Running) -> None:
        if self._file is None:
            raise AssertionError("hold() comes first")
        self._file.write(f"{running.pid}\n{json.dumps(RUNNING.write(running), allow_nan=False)}\n")
        self._file.flush()

    def release(self) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def holder(self) -> Running | None:
        """The service if it runs. It may need a moment to write what it is."""
        deadline = time.monotonic() + LOCK_TIMEOUT
        while self.is_held():
            if (running := self.leftover()) is not None:
                return running
            if time.monotonic() > deadline:
                raise AlreadyRunning
            time.sleep(0.05)
        return None

    def leftover(self) -> Running | None:
        """What the file says, whether or not its process still runs."""
        try:
            _, _, text = self._path.read_text(encoding="utf-8").partition("\n")
            return RUNNING.load(text.partition("\n")[0])
        except (OSError, UnicodeDecodeError):
            return None
        except RecordUnreadable as error:  # empty for a moment as it is written
            if error.newer:
                log.warning("%s", error)
            return None

    def is_held(self) -> bool:
        """Whether some process is the service now."""
        try:
            with open(self._path, "a+", encoding="utf-8", opener=_private) as file:
                return not _lock(file)
        except OSError:
            return False


def _private(path: str, flags: int) -> int:
    """Whoever looks first makes the file, which may come to hold Redis' password."""
    return os.open(path, flags, 0o600)


def _lock(file: IO[str]) -> bool:
    """Whether the lock was free. It is held until the file is closed."""
    try:
        return try_lock(file.fileno())
    except OSError:
        return False
