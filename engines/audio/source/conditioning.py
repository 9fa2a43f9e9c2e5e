"""Makes samples what they claim to be: finite numbers around zero, in -1..1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from engines.audio.source.chunk import Chunk, Samples

OFFSET_TIME = 2.0  # seconds over which a constant offset is followed
STEP_TIME = 0.05  # seconds in which a step of the offset is followed
OFFSET = 0.05  # of the level, from which a mean is an offset: what has none is passed on as it is
CEILING_TIME = 5.0  # seconds in which what was too loud is forgotten, a damaged packet for instance
LOUD = 4.0  # times full scale: no float file is meant to be louder
INTEGER_SCALES = (2.0**15, 2.0**23, 2.0**31)  # full scale of integers that were stored as floats
PEEKED = 2_000_000  # samples looked at to find a float file's scale, before the first is given out


class Conditioner:
    """Iterating gives the chunks conditioned. damaged: samples that were no sound and became silence. scale: what
    the samples of a float file in integer range were divided by, or 1."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = iter(chunks)
        self._offset: Samples | None = None  # by channel, shape (channels, 1)
        self._ceiling = 1.0
        self.scale = 1.0
        self.damaged = 0

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in chain(self._peeked(), self._chunks):
            yield chunk.holding(self._conditioned(chunk))

    def _peeked(self) -> list[Chunk]:
        """The beginning of a float file, after its scale was found: it may begin more quietly than it goes on."""
        held: list[Chunk] = []
        count = 0
        for chunk in self._chunks:
            held.append(chunk)
            count += chunk.samples.size
            if not chunk.is_stored or count >= PEEKED:
                break
            finite = np.where(np.isfinite(chunk.samples), chunk.samples, 0)
            self.scale = max(self.scale, _scale(finite - np.median(finite, axis=1, keepdims=True)))
        return held

    def _conditioned(self, chunk: Chunk) -> Samples:
        if not chunk.is_float:
            return self._centred(chunk.samples, chunk.rate)
        return self._below_full_scale(
            self._centred(self._in_range(self._finite(chunk.samples), chunk.is_stored), chunk.rate), chunk.seconds
        )

    def _finite(self, samples: Samples) -> Samples:
        sound = np.abs(samples) <= INTEGER_SCALES[-1] * 2  # also false for NaN
        if sound.all():
            return samples
        self.damaged += int(sound.size - sound.sum())
        return np.where(sound, samples, np.float32(0))

    def _centred(self, samples: Samples, rate: int) -> Samples:
        """Without its offset, which is followed over some seconds and subtracted along a line."""
        mean, spread = _mean_and_spread(samples)
        if self._offset is None or self._offset.shape != mean.shape:
            self._offset = mean
        last, count = self._offset, samples.shape[1]
        first = np.where(np.abs(mean - last) > spread, mean, last)  # larger than the sound itself: a step
        self._offset = first + (mean - first) * np.float32(1 - np.exp(-count / rate / OFFSET_TIME))
        if not (last.any() or self._offset.any()):
            return samples
        at = np.arange(1, count + 1, dtype=np.float32)
        line = first + (self._offset - first) * (at / np.float32(count))
        return samples - (line + (last - first) * np.maximum(1 - at / np.float32(rate * STEP_TIME), 0))

    def _in_range(self, samples: Samples, may_be_integers: bool) -> Samples:
        """Integers divided by their full scale, and single samples beyond any level put at the others' middle."""
        if np.abs(samples).max(initial=0.0) > LOUD * self.scale:
            middle = np.median(samples, axis=1, keepdims=True)
            if may_be_integers:
                self.scale = max(self.scale, _scale(samples - middle))
            stray = np.abs(samples - middle) > LOUD * self.scale
            self.damaged += int(stray.sum())
            samples = np.where(stray, middle, samples)
        return samples / np.float32(self.scale) if self.scale > 1 else samples

    def _below_full_scale(self, samples: Samples, seconds: float) -> Samples:
        """What is louder than full scale is made quieter, and so is what follows for some seconds."""
        faded = 1 + (self._ceiling - 1) * float(np.exp(-seconds / CEILING_TIME))
        self._ceiling = max(faded, float(np.abs(samples).max(initial=0.0)))
        return samples / np.float32(self._ceiling) if self._ceiling > 1 else samples


def _mean_and_spread(samples: Samples) -> tuple[Samples, Samples]:
    """By channel, shape (channels, 1); a mean that is small beside the level is none."""
    mean = samples.mean(axis=1, keepdims=True, dtype=np.float64)
    power = np.mean(np.square(samples), axis=1, keepdims=True, dtype=np.float64)
    spread = np.sqrt(np.maximum(power - mean**2, 0))
    mean = np.where(np.abs(mean) > OFFSET * np.sqrt(power), mean, 0)
    return mean.astype(np.float32), spread.astype(np.float32)


def _scale(samples: Samples) -> float:
    """Full scale of samples around zero: 1, or that of the integers they are if most are beyond any float's."""
    sizes = np.abs(samples)
    sizes = sizes[sizes > 0]
    if not sizes.size or np.median(sizes) <= LOUD:
        return 1.0
    top = float(np.quantile(sizes, 0.999))
    return next((scale for scale in INTEGER_SCALES if top <= scale * 1.05), INTEGER_SCALES[-1])
