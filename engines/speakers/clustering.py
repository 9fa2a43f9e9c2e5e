"""Embeddings to groups of one voice each: agglomerative clustering with average linkage on cosine distance.

embeddings ─► blocks of 512 to tight groups, if there are many ─► groups merged up to the threshold; two voices of one
chunk never ─► groups whose centroids are alike merged all the same ─► small groups dissolved

Numbers: from composed meetings; see docs/SPEAKERS.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MERGED_UP_TO = 0.55  # distance
ALIKE = 0.5  # cosine from which two centroids are one voice, even if they were told apart in a chunk
_MANY = 1024  # embeddings that are clustered at once
_FINER = (0.45, 0.35, 0.25, 0.15)  # distances, if more voices are wanted than there are at the usual one
_BLOCK, _TIGHT = 512, 0.35  # embeddings of a block, and the distance up to which they are merged in it
_SHORT_RECORDING = 60.0  # seconds of speech

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Voiced:
    """What is clustered. embeddings: shape (n, d), each of length 1. seconds: shape (n,), what each is worth. chunks,
    voices: shape (n,); two of one chunk and different voices were told apart there."""

    embeddings: Floats
    seconds: Floats
    chunks: Indices
    voices: Indices

    def __len__(self) -> int:
        return len(self.seconds)


def cluster(voiced: Voiced, at_least: int = 1, at_most: int | None = None) -> Floats:
    """The centroids of the voices, shape (k, d), each of length 1. k is within the bounds if there are embeddings
    enough."""
    groups = _in_blocks(voiced) if len(voiced) > _MANY else _Groups.of(voiced)
    for distance in (MERGED_UP_TO, *_FINER):
        found = groups.merged(distance, at_least).alike_merged(ALIKE, at_least)
        found = found.without_small(_smallest(float(voiced.seconds.sum())), at_least)
        if len(found) >= at_least:
            break
    return found.alike_merged(-1.0, at_most).centroids if at_most else found.centroids


def _smallest(seconds: float) -> float:
    """Seconds a group needs to be a speaker, in a recording with so much speech."""
    return 2.0 if seconds < _SHORT_RECORDING else max(4.0, min(20.0, seconds / 100))


class _Groups:
    """sums: shape (n, d), the embeddings of each group by their seconds. seconds: shape (n,). apart: shape (n, n),
    which were told apart in a chunk."""

    def __init__(self, sums: Floats, seconds: Floats, apart: NDArray[np.bool_]) -> None:
        self.sums, self.seconds, self.apart = sums, seconds, apart

    @classmethod
    def of(cls, voiced: Voiced) -> _Groups:
        same_chunk = voiced.chunks[:, None] == voiced.chunks
        apart = same_chunk & (voiced.voices[:, None] != voiced.voices)
        return cls(voiced.embeddings * voiced.seconds[:, None], voiced.seconds, apart)

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def centroids(self) -> Floats:
        scaled: Floats = self.sums / np.maximum(np.linalg.norm(self.sums, axis=1, keepdims=True), 1e-9)
        return scaled

    def merged(self, distance: float, at_least: int = 1) -> _Groups:
        """By average linkage, the nearest two first, as long as they are no further apart than that."""
        means = self.sums / self.seconds[:, None]
        return self._joined(means, 1 - distance, at_least, self.apart, is_average=True)

    def alike_merged(self, likeness: float, at_least: int | None) -> _Groups:
        """By the cosine of centroids, the most alike first."""
        return self._joined(self.centroids, likeness, at_least or 1, np.zeros_like(self.apart), is_average=False)

    def without_small(self, seconds: float, at_least: int) -> _Groups:
        """Without those of fewer seconds; the largest are kept."""
        order = np.argsort(-self.seconds, kind="stable")
        kept = np.sort(order[: max(int((self.seconds >= seconds).sum()), min(at_least, 1))])
        return _Groups(self.sums[kept], self.seconds[kept], self.apart[np.ix_(kept, kept)])

    def _joined(
        self, points: Floats, least: float, at_least: int, apart: NDArray[np.bool_], *, is_average: bool
    ) -> _Groups:
        sums, seconds, apart, points = self.sums.copy(), self.seconds.copy(), apart.copy(), points.copy()
        likeness = points @ points.T
        likeness[apart] = -np.inf
        np.fill_diagonal(likeness, -np.inf)
        alive = np.ones(len(self), bool)
        best = likeness.argmax(axis=1) if len(self) else np.zeros(0, np.intp)
        top = likeness[np.arange(len(self)), best]
        for _ in range(len(self) - max(at_least, 1)):
            one = int(top.argmax())
            other = int(best[one])
            if top[one] < least or not np.isfinite(top[one]):
                break
            sums[one] += sums[other]
            seconds[one] += seconds[other]
            apart[one] |= apart[other]
            apart[:, one] = apart[one]
            alive[other] = False
            points[one] = sums[one] / (seconds[one] if is_average else max(float(np.linalg.norm(sums[one])), 1e-9))
            row = points @ points[one]
            row[~alive | apart[one]] = -np.inf
            row[one] = -np.inf
            likeness[one], likeness[:, one] = row, row
            likeness[other], likeness[:, other] = -np.inf, -np.inf
            top[other] = -np.inf
            stale = np.flatnonzero(alive & ((best == one) | (best == other)))
            stale = np.union1d(stale, [one])
            best[stale] = likeness[stale].argmax(axis=1)
            top[stale] = likeness[stale, best[stale]]
            better = alive & (row > top)
            best[better], top[better] = one, row[better]
        return _Groups(sums[alive], seconds[alive], apart[np.ix_(alive, alive)])


def _in_blocks(voiced: Voiced) -> _Groups:
    """Tight groups of each block of embeddings; from there on no two are apart."""
    parts = []
    for start in range(0, len(voiced), _BLOCK):
        part = slice(start, start + _BLOCK)
        block = Voiced(voiced.embeddings[part], voiced.seconds[part], voiced.chunks[part], voiced.voices[part])
        parts.append(_Groups.of(block).merged(_TIGHT))
    sums, seconds = np.concatenate([part.sums for part in parts]), np.concatenate([part.seconds for part in parts])
    return _Groups(sums, seconds, np.zeros((len(seconds), len(seconds)), bool))
