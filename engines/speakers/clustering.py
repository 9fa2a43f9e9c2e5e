"""Embeddings to groups of one voice each: agglomerative, by how much likelier two groups are one voice than two.

embeddings ─► tight groups first, if there are many ─► groups merged as long as that is likelier, but for two voices of
one chunk ─► then these, too ─► small groups dissolved

The model: voices lie anywhere, and the pieces of one around it, the nearer the longer they are (two covariances, the
same in all directions: the simplest PLDA). So two short pieces need less in common than two minutes of speech, and one
number does for full sound and telephones. Numbers: from composed meetings; see docs/SPEAKERS.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WITHIN = 0.5  # cosine of two pieces of one voice: 0.65 in full sound, 0.5 over a telephone
WORTH = 1.5  # seconds that such a piece has
ENOUGH = 12.0  # pieces; more of a voice tell no more of it: it sounds otherwise later, and that does not average out
CLOSE = 0.6  # square of their mean, above which pieces are the same said again, which tells no more of a voice
LIKELIER = 0.1  # from which two groups are one voice: see `_likelihood`
ALIKE_SMALL = 0.5  # cosine of centroids from which a small group is what is odd in the voice of a larger one
BESIDE = 0.5  # of what others say in the median, below which it is small: in a minute nobody has much to say
_FINER = (0.3, 0.5, 0.8, 1.2)  # how much likelier, if more voices are wanted than there are at the usual one
_MANY = 1024  # embeddings that are clustered at once
_BLOCK = 512  # … of more, so many at a time come to tight groups first
_TIGHT = (0.5, 0.4, 0.3, 0.2)  # how much likelier if they do; the next one if too many are left
_LIKE_THE_REST = 0.65  # cosine of a piece and its voice in a chunk from which they are one group
_SHORT_RECORDING = 60.0  # seconds of speech

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]
Squares = NDArray[np.float64]


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
    for likelier in (LIKELIER, *_FINER):
        found = groups.merged(likelier, at_least).merged(likelier, at_least)
        found = found.without_small(_smallest(float(voiced.seconds.sum())), at_least)
        if len(found) >= at_least:
            break
    return found.merged(-np.inf, at_most).centroids if at_most else found.centroids


def _smallest(seconds: float) -> float:
    """Seconds a group needs to be a speaker, in a recording with so much speech."""
    return 2.0 if seconds < _SHORT_RECORDING else max(4.0, min(10.0, seconds / 100))


def _groups(voiced: Voiced) -> _Groups:
    sums, seconds = voiced.embeddings * voiced.seconds[:, None], voiced.seconds
    if len(seconds) <= _MANY:
        is_told_apart = (voiced.chunks[:, None] == voiced.chunks) & (voiced.voices[:, None] != voiced.voices)
        return _Groups(sums, seconds, is_told_apart)
    groups = _of_voices(sums, seconds, voiced)
    for likelier in _TIGHT:
        if len(groups) > _MANY:
            groups = groups.merged_in_blocks(likelier)
    return groups.largest(_MANY)


def _of_voices(sums: Floats, seconds: Floats, voiced: Voiced) -> _Groups:
    """What one voice of a chunk says as one group, but for what is unlike the rest of it. Bans are left out: there are
    so many groups that a wrong one would do more harm than a right one does good."""
    _, numbers = np.unique(np.stack([voiced.chunks, voiced.voices]), axis=1, return_inverse=True)
    of_voice = np.zeros((int(numbers.max()) + 1, sums.shape[1]), np.float32)
    np.add.at(of_voice, numbers, sums)
    likeness = np.einsum("ij,ij->i", _scaled(of_voice)[numbers], voiced.embeddings)
    is_like = likeness >= _LIKE_THE_REST
    of_voice[:] = 0
    np.add.at(of_voice, numbers[is_like], sums[is_like])
    weights = np.bincount(numbers[is_like], seconds[is_like], len(of_voice)).astype(np.float32)
    kept = weights > 0
    all_sums = np.concatenate([of_voice[kept], sums[~is_like]])
    all_seconds = np.concatenate([weights[kept], seconds[~is_like]])
    return _Groups(all_sums, all_seconds, None)


def _likelihood(squares: Squares, pieces: Squares) -> Squares:
    """Of groups that are one voice each, but for what merging never changes: twice the logarithm, for one dimension.
    squares: of the lengths of their sums. pieces: how many they are worth."""
    scatter = 1 - WITHIN
    spread = pieces * (WITHIN / scatter)
    found: Squares = squares * (WITHIN / scatter**2) / (1 + spread) - np.log1p(spread)
    return found


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

    def merged(self, likelier: float, at_least: int = 1) -> _Groups:
        """The two of which it is likeliest first, as long as it is likelier by so much. Those that were told apart stay
        so; of what comes out, that is forgotten: one wrong mark would split a person for good."""
        linkage = _Linkage(self.sums / WORTH, self.seconds / WORTH, self.apart)
        return self._joined(linkage.pairs(likelier, len(self) - at_least))

    def merged_in_blocks(self, likelier: float) -> _Groups:
        parts = [
            _Groups(self.sums[at : at + _BLOCK], self.seconds[at : at + _BLOCK], None).merged(likelier)
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
    """How much likelier any two groups are one voice (-inf: never). Each row's best is kept, and looked for anew only
    if it has gone. sums: shape (n, d). pieces: shape (n,), how many each group is worth."""

    def __init__(self, sums: Floats, pieces: Floats, apart: Flags | None) -> None:
        wide = sums.astype(np.float64)
        self._products, self._pieces = wide @ wide.T, pieces.astype(np.float64)
        self._gain = np.empty_like(self._products)
        for one in range(len(pieces)):
            self._gain[one] = self._gains(one)
        np.fill_diagonal(self._gain, -np.inf)
        if apart is not None:
            self._gain[apart] = -np.inf
        self._best = self._gain.argmax(axis=1) if len(pieces) else np.zeros(0, np.intp)
        self._top = self._gain[np.arange(len(pieces)), self._best]

    def pairs(self, least: float, most: int) -> list[tuple[int, int]]:
        """Which are joined, in order: at most so many pairs, and none that gains less than `least`."""
        found: list[tuple[int, int]] = []
        while len(found) < most:
            one = int(self._top.argmax())
            if self._top[one] == -np.inf or self._top[one] < least:
                break
            found.append((one, int(self._best[one])))
            self._join(*found[-1])
        return found

    def _gains(self, one: int) -> Squares:
        """Of that group with each."""
        closeness = self._products.diagonal() / self._pieces**2  # the square of the mean of a group's pieces
        worth = (1 - WITHIN) / np.maximum(closeness - CLOSE, (1 - WITHIN) / ENOUGH)
        part = np.minimum(1.0, worth / self._pieces)
        pieces, products = part * self._pieces, part * part[one] * self._products[one]
        squares = part**2 * self._products.diagonal()
        alone = _likelihood(squares, pieces)
        together = _likelihood(squares + squares[one] + 2 * products, pieces + pieces[one])
        gains: Squares = together - alone - alone[one]
        return gains

    def _join(self, one: int, other: int) -> None:
        products, gain = self._products, self._gain
        products[one] += products[other]
        products[:, one] += products[:, other]
        self._pieces[one] += self._pieces[other]
        row = self._gains(one)
        row[np.isneginf(gain[one]) | np.isneginf(gain[other])] = -np.inf
        gain[one], gain[:, one] = row, row
        gain[other], gain[:, other] = -np.inf, -np.inf
        self._top[other] = -np.inf
        self._best[other] = other
        stale = np.flatnonzero((self._best == one) | (self._best == other))
        self._best[stale] = gain[stale].argmax(axis=1)
        self._top[stale] = gain[stale, self._best[stale]]
        self._best[one] = row.argmax()
        self._top[one] = row[self._best[one]]
        better = row > self._top
        self._best[better], self._top[better] = one, row[better]
