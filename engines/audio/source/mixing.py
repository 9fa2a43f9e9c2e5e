"""Any number of channels as one, so that no voice is lost on the way.

What is heard on one channel alone must not drown in the noise of twenty others, and a channel that is another
upside down must not silence it. So each gets its share of the level at every moment, as an automatic microphone
mixer does (Dan Dugan, "Automatic microphone mixing", JAES 23, 1975), and the sign with which it adds to the others.
A channel that only hums or hisses, however loudly, as one whose microphone is off does, counts for next to nothing
beside one whose level comes and goes as that of a voice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from engines.audio.source.chunk import Chunk, Samples

BLOCK = 0.05  # seconds for which a channel's share is one
RELEASE = 0.2  # seconds in which a channel's level falls to a third after it fell silent
MEMORY = 2.0  # seconds over which channels are compared for their sign
LAG = 0.001  # seconds between samples whose difference is compared: what is left of 50 Hz is a sixth of a voice's share
MEMORY_OF_LEVELS = 20.0  # seconds that a channel may be silent before it is taken for one without a voice
STEADY, LIVELY = 1.5, 2.5  # times its usual level to which hiss and rumble rise at most, and a voice in much noise
LEAST = 1e-3  # what the level of a steady channel counts for
HELD = 0.01  # of its highest level, which a voice's channel has in its pauses, too, or noise would fill them
OPPOSED = 0.3  # correlation from which two channels are taken to hold the same sound, or its opposite


def mixed(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Gives the chunks with one channel."""
    mixer = _Mixer()
    for chunk in chunks:
        if chunk.samples.shape[0] > 1:
            if mixer.form != (chunk.samples.shape[0], chunk.rate):
                mixer = _Mixer((chunk.samples.shape[0], chunk.rate))
            yield chunk.holding(mixer(chunk.samples)[None])
        else:
            yield chunk


class _Mixer:
    def __init__(self, form: tuple[int, int] = (1, 1)) -> None:
        self.form = form
        channels, rate = form
        self._block = max(1, round(rate * BLOCK))
        self._levels = np.zeros(channels)
        self._highest = np.zeros(channels)
        self._recent = np.zeros((channels, 0))  # levels without hum
        self._likeness = np.zeros((channels, channels))  # covariances
        self._signs = np.ones(channels)
        self._shares = np.full(channels, 1 / channels)  # signed, at the end of the last block

    def __call__(self, samples: Samples) -> Samples:
        """samples: shape (channels, n); gives shape (n,)."""
        if not np.any(samples[1:] != samples[0]):  # the same on all channels
            self._shares = np.full(len(samples), 1 / len(samples))
            first: Samples = samples[0]
            return first
        voices = _without_hum(samples, max(1, round(self.form[1] * LAG)))
        self._compare(voices, samples.shape[1] / self.form[1])
        self._remember(voices)
        padded = np.pad(samples, ((0, 0), (0, -samples.shape[1] % self._block)))
        blocks = padded.reshape(len(samples), -1, self._block)
        shares = np.concatenate([self._shares[:, None], self._shares_of(blocks)], axis=1).astype(np.float32)
        self._shares = shares[:, -1]
        before, after = (_weighted(part, blocks) for part in (shares[:, :-1], shares[:, 1:]))
        mix = before + (after - before) * np.linspace(0, 1, self._block, dtype=np.float32)
        return np.asarray(mix.reshape(-1)[: samples.shape[1]], np.float32)

    def _shares_of(self, blocks: Samples) -> NDArray[np.float64]:
        """What each channel adds to the mix by the end of each block, shape (channels, blocks)."""
        levels, liveliness = _levels(blocks), self._liveliness()
        fall, forgetting = np.exp(-BLOCK / RELEASE), np.exp(-BLOCK / MEMORY_OF_LEVELS)
        shares = np.empty_like(levels)
        for at in range(levels.shape[1]):
            self._levels = np.maximum(levels[:, at], self._levels * fall)
            self._highest = np.maximum(self._levels, self._highest * forgetting)
            weights = np.maximum(self._levels, HELD * self._highest) * liveliness
            total = weights.sum()
            shares[:, at] = weights / total if total > 0 else 1 / len(levels)
        signed: NDArray[np.float64] = shares * self._signs[:, None]
        return signed

    def _remember(self, voices: Samples) -> None:
        whole = voices[:, : voices.shape[1] // self._block * self._block]
        levels = _levels(whole.reshape(len(voices), -1, self._block))
        self._recent = np.concatenate([self._recent, levels], axis=1)[:, -round(MEMORY_OF_LEVELS / BLOCK) :]

    def _liveliness(self) -> NDArray[np.float64]:
        """What each channel's level counts for, by how far it lately rose above what it mostly was."""
        if not self._recent.size:
            return np.ones(len(self._recent))
        rise = self._recent.max(axis=1) / np.maximum(np.quantile(self._recent, 0.1, axis=1), 1e-9)
        return np.asarray(np.clip((rise - STEADY) / (LIVELY - STEADY), LEAST, 1), np.float64)

    def _compare(self, voices: Samples, seconds: float) -> None:
        now = np.asarray(voices @ voices.T, np.float64)
        self._likeness = self._likeness * np.exp(-seconds / MEMORY) + now
        energies = np.diag(self._likeness)
        order = np.argsort(-energies, kind="stable")
        total = np.zeros(len(energies))  # signs of the channels that are in the sum so far
        for channel in order:
            together = float(total @ self._likeness[channel])
            size = float(np.sqrt(max(total @ self._likeness @ total, 0.0) * energies[channel]))
            if size > 0 and abs(together) > OPPOSED * size:
                self._signs[channel] = np.sign(together)
            total[channel] = self._signs[channel]


def _levels(blocks: Samples) -> NDArray[np.float64]:
    """Of each block, shape (channels, blocks); blocks: shape (channels, blocks, n)."""
    return np.asarray(np.sqrt(np.einsum("cbn,cbn->cb", blocks, blocks) / max(1, blocks.shape[2])), np.float64)


def _without_hum(samples: Samples, lag: int) -> Samples:
    """Hum gets into both wires alike, even if a voice is upside down on one: it has no say."""
    for _ in range(2):
        samples = samples[:, lag:] - samples[:, :-lag]
    return samples


def _weighted(shares: Samples, blocks: Samples) -> Samples:
    """The channels' sum, shape (blocks, n); shares: shape (channels, blocks)."""
    return np.asarray(np.matmul(shares.T[:, None, :], blocks.transpose(1, 0, 2))[:, 0], np.float32)
