"""Who computes now, of many who could, in the order in which they came."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_EVERY = 1.0  # seconds after which who waits looks whether that is still wanted
OVERDUE = 10.0  # seconds after which who has a turn is taken to hang, and another comes in its place


class _Turn:
    """called: released once its time has come."""

    def __init__(self) -> None:
        self.called = threading.Lock()
        self.since = 0.0  # monotonic seconds


class Turns:
    """Lets in so many at a time, those who wait in the order in which they came: a `threading.Lock` goes back to who
    has just given it up. Nobody who hangs holds the others up."""

    def __init__(self, at_once: int = 1) -> None:
        self._guard = threading.Lock()
        self._free = at_once
        self._waiting: deque[_Turn] = deque()
        self._taken: set[_Turn] = set()

    @contextmanager
    def one(self, check: Callable[[], None] = lambda: None) -> Iterator[None]:
        """A turn, as long as the `with` lasts. check: called now and then while others have theirs; may raise."""
        turn = _Turn()
        self._enter(turn, check)
        try:
            yield
        finally:
            with self._guard:
                self._end(turn)

    def _enter(self, turn: _Turn, check: Callable[[], None]) -> None:
        with self._guard:
            if self._free:
                self._free -= 1
                self._begin(turn)
                return
            turn.called.acquire()
            self._waiting.append(turn)
        try:
            while not turn.called.acquire(timeout=LOOK_EVERY):
                check()
                self._end_overdue()
        except BaseException:
            with self._guard:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                self._end(turn)  # it may have been called meanwhile
            raise

    def _end_overdue(self) -> None:
        with self._guard:
            for turn in [each for each in self._taken if time.monotonic() - each.since > OVERDUE]:
                self._end(turn)

    def _begin(self, turn: _Turn) -> None:
        turn.since = time.monotonic()
        self._taken.add(turn)

    def _end(self, turn: _Turn) -> None:
        if turn not in self._taken:
            return  # another has come in its place
        self._taken.remove(turn)
        if self._waiting:
            called = self._waiting.popleft()
            self._begin(called)
            called.called.release()
        else:
            self._free += 1
