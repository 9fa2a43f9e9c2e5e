"""A copy of the sound at a level at which voice activity hears it: it was trained on speech of common loudness, and
takes what is 60 dB below for silence. What the model gets is not changed."""

from __future__ import annotations

from collections import deque

import numpy as np

from engines.audio.source.chunk import Samples

TARGET = (
    0.004  # root mean square that speech is lifted to: louder speech, up to 25 dB below the common, is heard as well
)
MAX_GAIN = 3000.0  # 70 dB
PEAK = 0.9  # that nothing is lifted beyond
MEMORY = 5  # blocks of frames (10 s) whose level counts
LOUD_SHARE = 0.9  # of their frames are quieter than what is taken for the level of speech


def levels(frames: Samples) -> Samples:
    """The root mean square of each frame."""
    return np.asarray(np.sqrt(np.einsum("nk,nk->n", frames, frames) / frames.shape[1]), np.float32)


def quantile(values: Samples, share: float) -> float:
    """As `np.quantile`, which takes ten times as long for so few."""
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    parted = np.partition(values, (below, above))
    return float(parted[below] + (parted[above] - parted[below]) * (place - below))


class Leveller:
    """Call it with blocks of frames, shape (n, samples a frame), one after the other."""

    def __init__(self) -> None:
        self._levels: deque[Samples] = deque(maxlen=MEMORY)
        self._gain: float | None = None  # at the end of the last block

    def __call__(self, frames: Samples) -> Samples:
        self._levels.append(levels(frames))
        gains = np.minimum(self._wanted(), PEAK / np.maximum(np.abs(frames).max(axis=1), 1e-9))
        if self._gain is None:
            self._gain = float(gains[0])
        if self._gain == 1.0 and (gains == 1.0).all():
            return frames
        edges = np.concatenate([[self._gain], np.minimum(gains, np.append(gains[1:], gains[-1]))])
        self._gain = float(edges[-1])
        way = np.linspace(0, 1, frames.shape[1], dtype=np.float32)
        slopes = edges[:-1, None] * (1 - way) + edges[1:, None] * way
        return np.asarray(np.clip(frames * slopes, -1, 1), np.float32)

    def _wanted(self) -> float:
        heard = np.concatenate(self._levels)
        heard = heard[heard > 0]
        level = quantile(heard, LOUD_SHARE) if len(heard) else TARGET
        return min(max(TARGET / max(level, 1e-12), 1.0), MAX_GAIN)
