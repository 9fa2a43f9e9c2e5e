"""How long the check may take: what there is no time for is left out, and said to be."""

from __future__ import annotations

import time


class Budget:
    def __init__(self, minutes: float) -> None:
        self._ends = time.monotonic() + 60 * minutes

    def has(self, seconds: float) -> bool:
        """Whether so many are left."""
        return time.monotonic() + seconds < self._ends
