"""`python -m tests.wrong_clock SECONDS MODULE`: a program whose clock is that much ahead of all others."""

from __future__ import annotations

import datetime
import runpy
import sys
import time

_REAL = time.time


class _Datetime(datetime.datetime):
    """The class of the library, but for what it takes for now."""

    ahead = 0.0

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _Datetime:
        return cls.fromtimestamp(_REAL() + cls.ahead, tz)


def install(ahead: float) -> None:
    """Before anything of the program is imported. ahead: seconds."""
    _Datetime.ahead = ahead
    time.time = lambda: _REAL() + ahead
    time.time_ns = lambda: round((_REAL() + ahead) * 1e9)
    datetime.datetime = _Datetime  # type: ignore[misc]  # for this program alone


def main() -> None:
    install(float(sys.argv[1]))
    module = sys.argv[2]
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
