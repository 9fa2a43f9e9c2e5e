"""What a pass takes, from one window up to what the memory holds, and whether its words are those of a CPU."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from engines.base import Engine, Window
from engines.errors import OutOfMemory
from scripts.benchmarking.report import Figure
from scripts.gpu.budget import Budget
from scripts.gpu.memory import used_and_free
from scripts.gpu.trial import difference, words_of

CPU_WORDS = 0.05  # share of words in which a number format may differ from the CPU's
SAME_WORDS = 0.02  # share in which a larger pass may differ from a pass of one: sums are rounded in another order


class Passes:
    """fits: the largest pass that the memory held so far; seconds: what one of each size took."""

    def __init__(self, engine: Engine, device: str, budget: Budget) -> None:
        self._engine = engine
        self._device = device
        self._budget = budget
        self.fits = 1
        self.seconds: dict[int, float] = {}

    def measure(self, window: Window, words: Sequence[str], sizes: Sequence[int]) -> Iterator[Figure]:
        """words: what the CPU hears in the window."""
        alone = words_of(self._engine.decode([window])[0])
        apart = difference(words, alone)
        yield Figure("words other than the CPU's", f"{apart:.1%}", f"{CPU_WORDS:.0%} at most", met=apart <= CPU_WORDS)
        for size in sizes:
            expected = 4 * max(self.seconds.values(), default=0.0)  # twice the last size, twice as large
            if not self._budget.has(expected):
                yield Figure(f"a pass of {size}", "left out: no time")
                return
            try:
                yield self._pass(window, alone, size)
            except OutOfMemory:
                yield Figure(f"a pass of {size}", "does not fit into the memory")
                return

    def _pass(self, window: Window, alone: Sequence[str], size: int) -> Figure:
        self._engine.decode([window] * size)  # the first of a size chooses its kernels
        began = time.monotonic()
        results = self._engine.decode([window] * size)
        self.seconds[size] = time.monotonic() - began
        self.fits = size
        apart = max(difference(alone, words_of(result)) for result in results)
        speed = f"{self.seconds[size]:.2f} s, {window.seconds * size / self.seconds[size]:.0f} x real time"
        memory = used_and_free(self._device)
        used = f"; {memory[0] / 1e9:.1f} GB in use" if memory else ""
        wanted = f"{SAME_WORDS:.0%} of words at most other than alone"
        return Figure(
            f"a pass of {size}", f"{speed}; words other than alone {apart:.1%}{used}", wanted, apart <= SAME_WORDS
        )
