"""A line that comes again and again is written once, with its count."""

from __future__ import annotations

import io
import logging

import pytest

from worker.runtime.log_handler import OnceHandler

pytestmark = pytest.mark.fault(70)


class Log(logging.Logger):
    """What it has written is in `stream`."""

    def __init__(self) -> None:
        super().__init__("tests", logging.INFO)
        self.handler, self.stream = OnceHandler(window=0.2), io.StringIO()
        self.handler.setStream(self.stream)
        self.handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        self.addHandler(self.handler)

    def told(self) -> list[str]:
        """The lines since the last call."""
        lines = self.stream.getvalue().splitlines()
        self.stream.seek(0)
        self.stream.truncate()
        return lines


@pytest.fixture
def log() -> Log:
    return Log()


def fail(number: int) -> None:
    raise OSError(24, f"Too many open files: {number}")


def test_a_warning_is_written_once_and_counted(log: Log) -> None:
    for _ in range(1000):
        log.warning("Redis is away: %s", "refused")
    log.warning("something else")
    assert log.told() == ["WARNING Redis is away: refused", "WARNING something else"]
    log.handler.close()
    assert log.told() == ["WARNING 999 more times within 0.2 s: Redis is away: refused"]


def test_after_its_time_it_is_written_again(log: Log) -> None:
    log.error("a")
    log.error("a")
    log.handler._known[next(iter(log.handler._known))].until = 0.0  # its time is over
    log.error("a")
    assert log.told() == ["ERROR a", "ERROR 1 more times within 0.2 s: a", "ERROR a"]


def test_tracebacks_of_one_place_are_one(log: Log) -> None:
    for number in range(500):
        try:
            fail(number)
        except OSError:
            log.exception("request %d failed", number)
    assert sum("Traceback" in line for line in log.told()) == 1


def test_access_lines_are_all_written(log: Log) -> None:
    for _ in range(3):
        log.info("127.0.0.1 GET '/'")
    assert len(log.told()) == 3


def test_what_is_remembered_is_bounded(log: Log) -> None:
    for number in range(2000):
        log.warning("line %d", number)
    assert len(log.handler._known) <= 500
    assert len(log.told()) == 2000
