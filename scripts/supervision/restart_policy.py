"""How long a supervisor waits before it starts a dead process again, and when it had better not."""

from __future__ import annotations

from worker.runtime.timing import Timing

START_LIMIT = 5  # exits in a row of a child that never lived as long: it cannot start here


class RestartPolicy:
    """How long to wait before a dead child is started again: twice as long each time, up to 30 s, or 4 s if it was
    killed: that is no sign that it cannot start, nor is it that something else was away."""

    def __init__(self, timing: Timing = Timing()) -> None:
        self._timing = timing
        self._delay = timing.restart_first
        self._exits = 0
        self._proven = False

    def delay_after(self, lived: float, *, by_signal: bool = False, has_excuse: bool = False) -> float:
        """Seconds to wait, given how many seconds the child lived and whether it was killed or left by itself.
        has_excuse: what it needs is away, as the supervisor found it there when it began."""
        if lived >= self._timing.proven:
            self._proven = True
            self._delay = self._timing.restart_first
        self._exits = 0 if by_signal or has_excuse else self._exits + 1
        delay = self._delay
        self._delay = min(self._delay * 2, self._timing.restart_longest)
        return min(delay, self._timing.restart_killed) if by_signal else delay

    @property
    def hopeless(self) -> bool:
        """Whether the child never once stayed up, so that trying on would only hide the cause."""
        return not self._proven and self._exits >= START_LIMIT
