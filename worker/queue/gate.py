"""Lets a job have the model to itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worker.runtime.timing import Timing


class Gate:
    """Lets every slot run a job, or none but the one that runs a job alone."""

    def __init__(self, timing: Timing = Timing()) -> None:
        self._timing = timing
        self._changed = threading.Condition()
        self._inside = 0
        self._is_closed = False

    def enter(self) -> bool:
        """Whether a job may begin; the caller of a True calls `leave` in the end."""
        with self._changed:
            if self._is_closed:
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def wait(self, timeout: float) -> None:
        """Until jobs may begin again."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_closed, timeout)

    @contextmanager
    def alone(self, hand_back_others: Callable[[], None]) -> Iterator[None]:
        """Keeps others out, after those inside have been asked to leave. One that hangs is not waited for."""
        deadline = time.monotonic() + self._timing.make_way
        with self._changed:
            self._is_closed = True
        try:
            hand_back_others()
            while self._is_busy() and time.monotonic() < deadline:
                hand_back_others()  # one may have begun since
                with self._changed:
                    self._changed.wait(0.1)
            yield
        finally:
            with self._changed:
                self._is_closed = False
                self._changed.notify_all()

    def _is_busy(self) -> bool:
        with self._changed:
            return self._inside > 0
