"""What to decode next, given who waits: the policy alone, without threads or clocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, Literal, TypeVar

Priority = Literal["interactive", "batch"]
Item = TypeVar("Item")

MAX_PASSES = 8  # passes of the model a waiting batch window lets others go first
DEMOTE_AFTER = 300.0  # seconds of audio after which an interactive recording has become batch work


@dataclass(eq=False, slots=True)
class Line(Generic[Item]):
    """The waiting windows of one recording, in order. consumed: seconds of audio it has had decoded; seconds: the same
    from its class's level on, which is what its turn goes by."""

    priority: Priority
    arrival: int
    seconds: float = 0.0
    consumed: float = 0.0
    waiting: deque[tuple[Hashable, float, Item]] = field(default_factory=deque)


class Schedule(Generic[Item]):
    """Interactive lines before batch lines; within a class the line that had least audio decoded goes first.

    A batch is filled up with whatever shares the first window's key, so nothing idles; unless it `mixes`, only with
    windows of the first one's class, since a pass takes as long as all its windows. A waiting batch window lets at most
    `MAX_PASSES` passes go before it. An interactive line that has had `DEMOTE_AFTER` seconds of audio
    decoded becomes a batch line, so nobody has to say beforehand how long a recording is.
    """

    def __init__(self, *, mixes: bool = True) -> None:
        self._mixes = mixes
        self._lines: list[Line[Item]] = []
        self._arrivals = count()
        self._passes_over_batch = 0

    def open(self, priority: Priority) -> Line[Item]:
        """A new line starts level with the one of its class that had least, so that a row of newcomers does not
        keep a long recording waiting until each has had as much."""
        line: Line[Item] = Line(priority, next(self._arrivals), self._level(priority))
        self._lines.append(line)
        return line

    def close(self, line: Line[Item]) -> None:
        """Takes the line out, and what still waited in it."""
        if line in self._lines:
            self._lines.remove(line)
        line.waiting.clear()

    def add(self, line: Line[Item], key: Hashable, seconds: float, item: Item) -> None:
        line.waiting.append((key, seconds, item))

    def add_again(self, line: Line[Item], key: Hashable, item: Item) -> None:
        """A window to be decoded once more goes before the line's others, and its audio counts once."""
        line.waiting.appendleft((key, 0.0, item))

    def add_restored(self, line: Line[Item], seconds: float) -> None:
        """Audio that an earlier run has decoded counts for what the recording is, and not for its turn."""
        line.consumed += seconds
        self._demote(line)

    def waiting(self, *, interactive_only: bool = False) -> int:
        """How many windows wait, of all lines."""
        return sum(len(each.waiting) for each in self._lines if not interactive_only or each.priority == "interactive")

    def next_batch(self, size: int, interactive_only: bool = False) -> list[Item]:
        """Takes out up to `size` items that may share a pass; empty if nothing waits. interactive_only: for a
        pass on top of those that serve everybody, which no batch window waits for."""
        batch: list[Item] = []
        key: Hashable = None
        only: Priority | None = "interactive" if interactive_only else None
        has_batch_window = False
        while len(batch) < size:
            candidates = self._candidates(batch, key, only)
            line = min(candidates, key=self._rank, default=None)
            if line is None:
                break
            key, seconds, item = line.waiting.popleft()
            has_batch_window |= line.priority == "batch"
            only = only if self._mixes else line.priority
            line.seconds += seconds
            line.consumed += seconds
            self._demote(line)
            batch.append(item)
        if not interactive_only:
            self._count_pass(batch, has_batch_window)
        return batch

    def _level(self, priority: Priority) -> float:
        return min((line.seconds for line in self._lines if line.priority == priority), default=0.0)

    def _demote(self, line: Line[Item]) -> None:
        if line.priority == "interactive" and line.consumed >= DEMOTE_AFTER:
            level = self._level("batch")
            line.priority, line.seconds = "batch", level

    def _candidates(self, batch: list[Item], key: Hashable, only: Priority | None) -> list[Line[Item]]:
        lines = [line for line in self._lines if line.waiting and (not batch or line.waiting[0][0] == key)]
        return [line for line in lines if only in (None, line.priority)]

    def _rank(self, line: Line[Item]) -> tuple[bool, float, int]:
        goes_first = line.priority == ("batch" if self._passes_over_batch >= MAX_PASSES else "interactive")
        return (not goes_first, line.seconds, line.arrival)

    def _count_pass(self, batch: list[Item], has_batch_window: bool) -> None:
        batch_waits = any(line.waiting for line in self._lines if line.priority == "batch")
        if has_batch_window or not batch_waits:
            self._passes_over_batch = 0
        elif batch:
            self._passes_over_batch += 1
