"""What goes from step to step between the decoder and the resampler."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A stretch of sound: samples float32 of shape (channels, n) at `rate` Hz.

    start: seconds; by the container's stamps (None: it has none) until the clock has placed the chunk, then from the
    recording's beginning. is_float: whether they were decoded as floats, which know no full scale. is_stored: whether
    the file itself holds them so, and it is not a codec that makes floats of anything. pause: seconds of silence before
    it in a container without stamps.
    """

    samples: Samples
    rate: int
    start: float | None
    is_float: bool = False
    is_stored: bool = False
    pause: float = 0.0

    @property
    def seconds(self) -> float:
        return float(self.samples.shape[1] / self.rate)

    def placed(self, start: float) -> Chunk:
        """The same, which starts there."""
        return Chunk(self.samples, self.rate, start, self.is_float, self.is_stored)

    def holding(self, samples: Samples) -> Chunk:
        """With other samples."""
        return Chunk(samples, self.rate, self.start, self.is_float, self.is_stored)


JOINED = 0.5  # seconds of sound that later steps take at a time: a packet's few milliseconds cost more than they hold


def joined(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Placed chunks that follow one another, put together."""
    held: list[Chunk] = []
    seconds = 0.0
    for chunk in chunks:
        if held and (seconds >= JOINED or not _follows(held, chunk, seconds)):
            yield _together(held)
            held, seconds = [], 0.0
        held.append(chunk)
        seconds += chunk.seconds
    if held:
        yield _together(held)


def _follows(held: list[Chunk], chunk: Chunk, seconds: float) -> bool:
    first = held[0]
    assert first.start is not None
    assert chunk.start is not None
    is_alike = (first.rate, len(first.samples), first.is_float) == (chunk.rate, len(chunk.samples), chunk.is_float)
    return is_alike and chunk.start - first.start - seconds < 1e-6


def _together(held: list[Chunk]) -> Chunk:
    return held[0].holding(np.concatenate([chunk.samples for chunk in held], axis=1))
