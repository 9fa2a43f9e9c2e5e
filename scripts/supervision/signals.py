"""The signals of a program that tends other processes: those that ask it to stop, and the one of a child's end. Each
wakes it at once, so that it need not look every moment."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
from collections.abc import Callable
from types import FrameType, TracebackType

_CHILD: signal.Signals | None = getattr(signal, "SIGCHLD", None)


class Signals:
    """To be entered by the main thread, which has them until it leaves. on_stop: called for each that asks to stop."""

    def __init__(self, on_stop: Callable[[], None]) -> None:
        self._on_stop = on_stop

    def __enter__(self) -> Signals:
        self._ours, self._systems = socket.socketpair()
        for end in (self._ours, self._systems):
            end.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(self._systems.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._stop) for number in _stop_signals()}
        if _CHILD is not None:  # without a handler nobody would be woken
            self._before[_CHILD] = signal.signal(_CHILD, lambda number, frame: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before)
        self._ours.close()
        self._systems.close()

    @property
    def wake_for_children(self) -> bool:
        """Whether the end of a child wakes too; Windows has no such signal."""
        return _CHILD is not None

    def sleep(self, seconds: float) -> None:
        """Or until there is a signal, which may have come since the last time."""
        select.select([self._ours], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            self._ours.recv(4096)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._on_stop()


def _stop_signals() -> list[signal.Signals]:
    names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")  # the last two if the system has them
    return [getattr(signal, name) for name in names if hasattr(signal, name)]
