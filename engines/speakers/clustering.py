"""Embeddings to groups of one voice each: agglomerative clustering with average linkage on cosine distance.

embeddings ─► tight groups first, if there are many ─► groups merged up to the threshold; two voices of one chunk never
─► groups whose centroids are alike merged all the same ─► small groups dissolved

Numbers: from composed meetings; see docs/SPEAKERS.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MERGED_UP_TO = 0.55  # distance
ALIKE = 0.78  # cosine from which two centroids are one voice, even if they were told apart in a chunk
ALIKE_SMALL = 0.5  # … if one of them has little to say: what is odd in a voice makes a small group beside it
BESIDE = 0.5  # of what others say in the median, below which that is little: in a minute nobody has much to say
_FINER = (0.45, 0.35, 0.25, 0.15)  # distances, if more voices are wanted than there are at the usual one
_MANY = 1024  # embeddings that are clustered at once
_BLOCK = 512  # … of more, so many at a time come to tight groups first
_TIGHT = (0.35, 0.4, 0.45, 0.5)  # distances up to which they do; the next one if too many are left
_SHORT_RECORDING = 60.0  # seconds of speech

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Voiced:
    """What is clustered. embeddings: shape (n, d), each of length 1. seconds: shape (n,), what each is worth. chunks,
    voices: shape (n,); two of one chunk and different voices were told apart there."""

    embeddings: Floats
    seconds: Floats
    chunks: Indices
    voices: Indices


def cluster(voiced: Voiced, at_least: int = 1, at_most: int | None = None) -> Floats:
    """The centroids of the voices, shape (k, d), each of length 1. k is within the bounds if there are embeddings
    enough."""
    groups = _groups(voiced)
    for distance in (MERGED_UP_TO, *_FINER):
        found = groups.merged(distance, at_least).alike_merged(ALIKE, at_least)
        found = found.without_small(_smallest(float(voiced.seconds.sum())), at_least)
        if len(found) >= at_least:
            break
    return found.alike_merged(-1.0, at_most).centroids if at_most else found.centroids


def _smallest(seconds: float) -> float:
    """Seconds a group needs to be a speaker, in a recording with so much speech."""
    return 2.0 if seconds < _SHORT_RECORDING else max(4.0, min(10.0, seconds / 100))


def _groups(voiced: Voiced) -> _Groups:
    sums, seconds = voiced.embeddings * voiced.seconds[:, None], voiced.seconds
    if len(seconds) <= _MANY:
        is_told_apart = (voiced.chunks[:, None] == voiced.chunks) & (voiced.voices[:, None] != voiced.voices)
        return _Groups(sums, seconds, is_told_apart)
    groups = _of_voices(sums, seconds, voiced)
    for distance in _TIGHT:
        if len(groups) > _MANY:
            groups = groups.merged_in_blocks(distance)
    return groups.largest(_MANY)


def _of_voices(sums: Floats, seconds: Floats, voiced: Voiced) -> _Groups:
    """What one voice of a chunk says as one group, but for what is unlike the rest of it. Bans are left out: there are
    so many groups that a wrong one would do more harm than a right one does good."""
    _, numbers = np.unique(np.stack([voiced.chunks, voiced.voices]), axis=1, return_inverse=True)
    of_voice = np.zeros((int(numbers.max()) + 1, sums.shape[1]), np.float32)
    np.add.at(of_voice, numbers, sums)
    likeness = np.einsum("ij,ij->i", _scaled(of_voice)[numbers], voiced.embeddings)
    is_like = likeness >= 1 - _TIGHT[0]
    of_voice[:] = 0
    np.add.at(of_voice, numbers[is_like], sums[is_like])
    weights = np.bincount(numbers[is_like], seconds[is_like], len(of_voice)).astype(np.float32)
    kept = weights > 0
    all_sums = np.concatenate([of_voice[kept], sums[~is_like]])
    all_seconds = np.concatenate([weights[kept], seconds[~is_like]])
    return _Groups(all_sums, all_seconds, None)


def _scaled(sums: Floats) -> Floats:
    scaled: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return scaled


class _Groups:
    """sums: shape (n, d), the embeddings of each group by their seconds. seconds: shape (n,). apart: shape (n, n),
    which were told apart in a chunk; None if that is left out."""

    def __init__(self, sums: Floats, seconds: Floats, apart: Flags | None) -> None:
        self.sums, self.seconds, self.apart = sums, seconds, apart

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def centroids(self) -> Floats:
        return _scaled(self.sums)

    def merged(self, distance: float, at_least: int = 1) -> _Groups:
        """By average linkage, the nearest two first, as long as they are no further apart than that."""
        means = self.sums / self.seconds[:, None]
        likeness = means @ means.T
        if self.apart is not None:
            likeness[self.apart] = -np.inf  # and so is the mean of anything with it
        return self._joined(_Linkage(likeness, self.seconds).pairs(1 - distance, len(self) - at_least))

    def merged_in_blocks(self, distance: float) -> _Groups:
        parts = [
            _Groups(self.sums[at : at + _BLOCK], self.seconds[at : at + _BLOCK], None).merged(distance)
            for at in range(0, len(self), _BLOCK)
        ]
        return _Groups(
            np.concatenate([part.sums for part in parts]), np.concatenate([part.seconds for part in parts]), None
        )

    def largest(self, most: int) -> _Groups:
        """Those of the most seconds. The time that clustering takes so has a bound, whatever sounds a recording has."""
        if len(self) <= most:
            return self
        kept = np.sort(np.argsort(-self.seconds, kind="stable")[:most])
        return _Groups(self.sums[kept], self.seconds[kept], None)

    def alike_merged(self, likeness: float, at_least: int | None) -> _Groups:
        """By the cosine of centroids, the most alike first."""
        groups = self
        for _ in range(len(self) - max(at_least or 1, 1)):
            alike = groups.centroids @ groups.centroids.T
            np.fill_diagonal(alike, -np.inf)
            one, other = divmod(int(alike.argmax()), len(groups))
            if alike[one, other] < likeness:
                break
            groups = groups._joined([(one, other)])
        return _Groups(groups.sums, groups.seconds, None)

    def without_small(self, seconds: float, at_least: int) -> _Groups:
        """Without those of fewer seconds, and those that are small and like a larger one; the largest are kept."""
        order = np.argsort(-self.seconds, kind="stable")
        small = max(4 * seconds, float(self.seconds.sum()) / 50)
        likeness = self.centroids @ self.centroids.T
        kept: list[int] = []
        for number in order:
            own, others = self.seconds[number], self.seconds[kept]
            is_small = bool(kept) and own < min(small, BESIDE * float(np.median(others)))
            is_odd = is_small and float(likeness[number, kept].max()) >= ALIKE_SMALL
            if len(kept) < at_least or (own >= seconds and not is_odd):
                kept.append(int(number))
        return _Groups(self.sums[sorted(kept)], self.seconds[sorted(kept)], None)

    def _joined(self, pairs: list[tuple[int, int]]) -> _Groups:
        """The second of each pair goes to the first, in that order."""
        sums, seconds = self.sums.copy(), self.seconds.copy()
        for one, other in pairs:
            sums[one] += sums[other]
            seconds[one] += seconds[other]
        gone = [other for _, other in pairs]
        return _Groups(np.delete(sums, gone, axis=0), np.delete(seconds, gone), None)


class _Linkage:
    """Average linkage over a matrix of likeness (-inf: never), which it uses up: the row of two that are joined is the
    mean of their rows by their seconds (Lance and Williams). Each row's nearest is kept, and looked for anew only if it
    has gone."""

    def __init__(self, likeness: Floats, seconds: Floats) -> None:
        np.fill_diagonal(likeness, -np.inf)
        self._likeness, self._seconds = likeness, seconds.copy()
        self._best = likeness.argmax(axis=1) if len(seconds) else np.zeros(0, np.intp)
        self._top = likeness[np.arange(len(seconds)), self._best]

    def pairs(self, least: float, most: int) -> list[tuple[int, int]]:
        """Which are joined, in order: at most so many pairs, and none less alike than `least`."""
        found: list[tuple[int, int]] = []
        while len(found) < most:
            one = int(self._top.argmax())
            if not self._top[one] >= least:
                break
            found.append((one, int(self._best[one])))
            self._join(*found[-1])
        return found

    def _join(self, one: int, other: int) -> None:
        likeness, seconds = self._likeness, self._seconds
        row = (likeness[one] * seconds[one] + likeness[other] * seconds[other]) / (seconds[one] + seconds[other])
        seconds[one] += seconds[other]
        row[[one, other]] = -np.inf
        likeness[one], likeness[:, one] = row, row
        likeness[other], likeness[:, other] = -np.inf, -np.inf
        self._top[other] = -np.inf
        self._best[other] = other
        stale = np.flatnonzero((self._best == one) | (self._best == other))
        self._best[stale] = likeness[stale].argmax(axis=1)
        self._top[stale] = likeness[stale, self._best[stale]]
        self._best[one] = row.argmax()
        self._top[one] = row[self._best[one]]
        better = row > self._top
        self._best[better], self._top[better] = one, row[better]
