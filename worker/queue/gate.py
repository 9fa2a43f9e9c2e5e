"""Who may begin a job in this process: as many of a kind as there are places, or one that has the model to itself."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from worker.runtime.timing import Timing


class Gate:
    """Lets every slot run a job, or none but the one that runs a job alone.

    places: how many jobs of a kind may run at once; no limit for others. Slots may be more than that: there are some
    for each queue from which not every worker takes, and these go first, since what waits there waits longest.
    """

    def __init__(self, timing: Timing = Timing(), places: Mapping[str, int] | None = None) -> None:
        self._timing = timing
        self._changed = threading.Condition()
        self._places = dict(places or {})
        self._inside: Counter[str] = Counter()
        self._first: Counter[str] = Counter()  # slots that wait and go before others
        self._is_closed = False

    def set_places(self, kind: str, places: int) -> None:
        with self._changed:
            self._places[kind] = places
            self._changed.notify_all()

    def enter(self, kind: str = "", *, goes_first: bool = False) -> bool:
        """Whether a job may begin; the caller of a True calls `leave` in the end."""
        with self._changed:
            if not self._has_place(kind, goes_first):
                return False
            self._inside[kind] += 1
            return True

    def leave(self, kind: str = "") -> None:
        with self._changed:
            self._inside[kind] -= 1
            self._changed.notify_all()

    def wait(self, timeout: float, kind: str = "", *, goes_first: bool = False) -> bool:
        """As `enter`, once jobs may begin; False if they may not for so many seconds."""
        with self._changed:
            self._first[kind] += goes_first
            try:
                if not self._changed.wait_for(lambda: self._has_place(kind, goes_first), timeout):
                    return False
                self._inside[kind] += 1
                return True
            finally:
                self._first[kind] -= goes_first
                self._changed.notify_all()

    def _has_place(self, kind: str, goes_first: bool) -> bool:
        if self._is_closed:
            return False
        if kind not in self._places:
            return True
        taken = self._inside[kind] + (0 if goes_first else self._first[kind])
        return taken < self._places[kind]

    @contextmanager
    def alone(self, hand_back_others: Callable[[], None]) -> Iterator[bool]:
        """Keeps others out, after those inside have been asked to leave. One that hangs is not waited for. Yields False
        if another is alone."""
        deadline = time.monotonic() + self._timing.make_way
        with self._changed:
            is_ours = not self._is_closed
            self._is_closed = True
        if not is_ours:
            yield False
            return
        try:
            hand_back_others()
            while self._is_busy() and time.monotonic() < deadline:
                hand_back_others()  # one may have begun since
                with self._changed:
                    self._changed.wait(0.1)
            yield True
        finally:
            with self._changed:
                self._is_closed = False
                self._changed.notify_all()

    def _is_busy(self) -> bool:
        with self._changed:
            return self._inside.total() > 0
