"""How loud a recording is, to tell one in which nothing was found from one in which nothing is."""

from __future__ import annotations

import numpy as np

from engines.audio.source.chunk import Samples
from engines.base import SAMPLE_RATE

SPAN = SAMPLE_RATE // 2  # samples a level is taken of
AUDIBLE = 1e-3  # root mean square of what is heard in any case: -60 dB, twice the noise of a quiet room
TRACE = 3e-5  # ... and of what is heard if it rises out of the recording's own silence: -90 dB
RISE = 6.0  # times that silence: 16 dB


class Loudness:
    """Levels of half a second each: the loudest, and the quietest that is no digital silence."""

    def __init__(self) -> None:
        self._loudest = 0.0
        self._quietest = np.inf
        self._energy = 0.0
        self._count = 0

    def hear(self, samples: Samples) -> None:
        """samples: a block of at most some seconds; the next follows it."""
        self._energy += float(np.dot(samples, samples))
        self._count += len(samples)
        if self._count >= SPAN:
            level = float(np.sqrt(self._energy / self._count))
            self._loudest = max(self._loudest, level)
            self._quietest = min(self._quietest, level or np.inf)
            self._energy, self._count = 0.0, 0

    @property
    def is_silent(self) -> bool:
        rest = float(np.sqrt(self._energy / self._count)) if self._count else 0.0
        loudest = max(self._loudest, rest)
        return loudest < AUDIBLE and not (loudest > TRACE and loudest > RISE * self._quietest)
