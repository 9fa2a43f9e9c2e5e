"""A recording's waveform, as a player draws it: how loud it is at most, stretch by stretch, in bounded memory.

Stretches are as short as their number allows: whenever there are too many, each two become one. They begin at the same
samples however the recording is cut into blocks.
"""

from __future__ import annotations

import numpy as np

from engines.audio.source.chunk import Samples

MOST = 4000  # stretches
FIRST = 160  # samples of a stretch in a short recording: 10 ms
FULL = 255  # the loudest


class Peaks:
    """most: stretches at the end; there are more than half as many in any recording of some seconds."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._size = FIRST  # samples of a stretch
        self._whole = np.zeros(0, np.float32)
        self._part = 0.0  # the peak of the stretch that is not whole yet …
        self._count = 0  # … and how many samples of it there are

    def hear(self, block: Samples) -> None:
        """block: shape (n,), -1..1."""
        loud = np.abs(block)
        head = loud[: self._size - self._count]
        self._add_part(head)
        body = loud[len(head) :]
        count = len(body) // self._size
        if count:
            rows = body[: count * self._size].reshape(count, self._size)
            self._whole = np.concatenate([self._whole, rows.max(axis=1)])
        self._add_part(body[count * self._size :])
        while len(self._whole) >= self._most:
            self._halve()

    def levels(self) -> tuple[int, ...]:
        """Of each stretch, the first first: 0 to 255."""
        found = np.append(self._whole, self._part) if self._count else self._whole
        return tuple(np.rint(np.clip(np.nan_to_num(found), 0, 1) * FULL).astype(int).tolist())

    def _add_part(self, loud: Samples) -> None:
        """loud: no more than the stretch still lacks."""
        if not len(loud):
            return
        self._part = max(self._part, float(loud.max()))
        self._count += len(loud)
        if self._count == self._size:
            self._whole = np.append(self._whole, np.float32(self._part))
            self._part, self._count = 0.0, 0

    def _halve(self) -> None:
        if len(self._whole) % 2:  # the last one is the first half of what comes
            self._part = max(self._part, float(self._whole[-1]))
            self._count += self._size
            self._whole = self._whole[:-1]
        self._whole = self._whole.reshape(-1, 2).max(axis=1)
        self._size *= 2
