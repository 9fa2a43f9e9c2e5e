"""Writes log records, and what would be written over and over only once, with its count."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

WINDOW = 10.0  # seconds in which a line is not written again
MAX_KNOWN = 500  # lines that are remembered; beyond them nothing is left out

Key = tuple[object, ...]


@dataclass
class _Line:
    """until: monotonic seconds; left_out: how often it came again."""

    record: logging.LogRecord
    until: float
    left_out: int = 0


class OnceHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic for type checkers alone
    """To standard error. Only warnings and errors are compared: a line of an access log is news each time, and names
    its own request.

    Two tracebacks are the same line if one kind of error came from one place, whatever request it befell.
    """

    def __init__(self, window: float = WINDOW) -> None:
        super().__init__()
        self._window = window
        self._known: dict[Key, _Line] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Called by one thread at a time."""
        now = time.monotonic()
        self._sum_up(now)
        if record.levelno >= logging.WARNING and self._is_known(record, now):
            return
        super().emit(record)

    def close(self) -> None:
        self._sum_up(float("inf"))
        super().close()

    def _is_known(self, record: logging.LogRecord, now: float) -> bool:
        key = _key(record)
        if line := self._known.get(key):
            line.left_out += 1
            return True
        if len(self._known) < MAX_KNOWN:
            self._known[key] = _Line(record, now + self._window)
        return False

    def _sum_up(self, now: float) -> None:
        for key, line in list(self._known.items()):
            if line.until > now:
                return  # those behind it came later
            del self._known[key]
            if line.left_out:
                super().emit(_summary(line.record, line.left_out, self._window))


def _key(record: logging.LogRecord) -> Key:
    if record.exc_info and (error := record.exc_info[1]):
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        where = (place.tb_frame.f_code.co_filename, place.tb_lineno) if place else None
        return record.name, record.levelno, record.msg, type(error), where
    return record.name, record.levelno, record.getMessage()


def _summary(record: logging.LogRecord, left_out: int, window: float) -> logging.LogRecord:
    message = f"{left_out} more times within {window:g} s: {record.getMessage()}"
    return logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, message, None, None)
