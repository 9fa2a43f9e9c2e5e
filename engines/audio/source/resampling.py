"""Placed chunks of one channel as one line of 16 kHz samples, with silence where nothing was sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from engines.audio.source.chunk import Chunk, Samples
from engines.base import SAMPLE_RATE

MAX_BLOCK = SAMPLE_RATE  # samples of silence given out at once


class Resampled:
    """Iterating gives blocks of shape (n,). position: samples given out, which is where the next one belongs."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = chunks
        self.position = 0

    def __iter__(self) -> Iterator[Samples]:
        for block in self._blocks():
            self.position += len(block)
            if len(block):
                yield np.clip(block, -1, 1)  # an offset taken off, or a filter, may pass full scale

    def _blocks(self) -> Iterator[Samples]:
        resampler = _Resampler(SAMPLE_RATE)
        end = 0.0
        for chunk in self._chunks:
            assert chunk.start is not None
            if chunk.rate != resampler.rate or chunk.start > end + 1e-6:
                yield from resampler.rest()
                resampler = _Resampler(chunk.rate)
                yield from self._silence_until(chunk.start)
            yield from resampler(chunk.samples[0])
            end = chunk.start + chunk.seconds
        yield from resampler.rest()

    def _silence_until(self, start: float) -> Iterator[Samples]:
        while (missing := round(start * SAMPLE_RATE) - self.position) > 0:
            yield np.zeros(min(missing, MAX_BLOCK), np.float32)


class _Resampler:
    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._resampler = None if rate == SAMPLE_RATE else AudioResampler("fltp", "mono", SAMPLE_RATE)
        self._has_begun = False

    def __call__(self, samples: Samples) -> Iterator[Samples]:
        if self._resampler is None:
            yield samples
            return
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
        frame.sample_rate = self.rate
        self._has_begun = True
        yield from _arrays(self._resampler.resample(frame))

    def rest(self) -> Iterator[Samples]:
        """What the filter still holds."""
        if self._resampler is not None and self._has_begun:
            yield from _arrays(self._resampler.resample(None))


def _arrays(frames: list[AudioFrame]) -> Iterator[Samples]:
    for frame in frames:
        yield frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)
