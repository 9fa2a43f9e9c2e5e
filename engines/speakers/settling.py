"""A recording's pieces to its speakers, once all of them are there.

pieces ─► those with enough clean speech are clustered ─► each voice of a chunk has a cluster, and so each piece, unless
another one's is clearly nearer ─► those without a voiceprint follow their neighbours ─► turns with names or letters
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engines.speakers.clustering import Floats, Voiced, cluster
from engines.speakers.known_speakers import known
from engines.speakers.turns import Reference, SpeakerCount, Turn, letters
from engines.speakers.voice_piece import VoicePiece, normalised

CLUSTERED = 1.0  # seconds of clean speech from which a piece has a say in what speakers there are
OWN_WAY = 0.1  # by how much nearer another cluster must be for a piece to leave that of its voice
ANY = SpeakerCount()  # as many as are heard
JOINED = 0.05  # seconds between two spans of one speaker that make one turn


def settle(pieces: Sequence[VoicePiece], count: SpeakerCount = ANY, references: Sequence[Reference] = ()) -> list[Turn]:
    """Who spoke when, in order of start. pieces: of all windows, in any order; the same pieces give the same turns."""
    ordered = sorted(pieces, key=lambda piece: (piece.start, piece.chunk, piece.voice))
    if not ordered:
        return []
    centroids = _centroids(ordered, count)
    numbers = _numbers(ordered, centroids)
    return _turns(ordered, numbers, known(references, centroids))


def _centroids(pieces: Sequence[VoicePiece], count: SpeakerCount) -> Floats:
    """Of the pieces that are long enough, or if there are none, of all."""
    known_voices = [piece for piece in pieces if piece.voiceprint and piece.clean]
    taken = [piece for piece in known_voices if piece.clean >= CLUSTERED] or known_voices
    if not taken:
        return np.zeros((0, 0), np.float32)
    voiced = Voiced(
        np.stack([embedding for piece in taken if (embedding := piece.embedding) is not None]),
        np.array([piece.clean for piece in taken], np.float32),
        np.array([piece.chunk for piece in taken], np.intp),
        np.array([piece.voice for piece in taken], np.intp),
    )
    return cluster(voiced, *count.bounds)


def _numbers(pieces: Sequence[VoicePiece], centroids: Floats) -> list[int]:
    """The cluster of each piece."""
    if len(centroids) < 2:
        return [0] * len(pieces)
    likeness = [None if (own := piece.embedding) is None else centroids @ own for piece in pieces]
    of_voice = _clusters_of_voices(pieces, centroids)
    numbers: list[int | None] = []
    for piece, alike in zip(pieces, likeness, strict=True):
        number = of_voice.get((piece.chunk, piece.voice))
        if alike is not None and (number is None or alike.max() - alike[number] >= OWN_WAY):
            number = int(alike.argmax())
        numbers.append(number)
    return _with_neighbours(pieces, numbers, likeness)


def _clusters_of_voices(pieces: Sequence[VoicePiece], centroids: Floats) -> dict[tuple[int, int], int]:
    weighed: dict[tuple[int, int], Floats] = defaultdict(lambda: np.zeros(centroids.shape[1], np.float32))
    for piece in pieces:
        if (embedding := piece.embedding) is not None:
            weighed[piece.chunk, piece.voice] += piece.clean * embedding
    return {voice: int((centroids @ normalised(each)).argmax()) for voice, each in weighed.items()}


def _with_neighbours(
    pieces: Sequence[VoicePiece], numbers: Sequence[int | None], likeness: Sequence[NDArray[np.float32] | None]
) -> list[int]:
    """A piece without a voiceprint takes the cluster of the nearest of its own voice, else of any."""
    sure = [at for at, alike in enumerate(likeness) if alike is not None]
    by_voice: dict[tuple[int, int], list[int]] = defaultdict(list)
    for at in sure:
        by_voice[pieces[at].chunk, pieces[at].voice].append(at)
    settled = []
    for at, piece in enumerate(pieces):
        number = numbers[at]
        if likeness[at] is None and (
            near := by_voice.get((piece.chunk, piece.voice)) or (sure if number is None else [])
        ):
            number = numbers[_nearest(pieces, at, near)]
        settled.append(number or 0)
    return settled


def _nearest(pieces: Sequence[VoicePiece], at: int, others: Sequence[int]) -> int:
    """others: numbers of pieces, in order; the one before or the one after, with the shorter pause between."""
    place = bisect(others, at)
    around = others[max(place - 1, 0) : place + 1]
    return min(around, key=lambda other: _gap(pieces[at], pieces[other]))


def _gap(one: VoicePiece, other: VoicePiece) -> float:
    return max(one.start - other.end, other.start - one.end, 0.0)


def _turns(pieces: Sequence[VoicePiece], numbers: Sequence[int], names: dict[int, str]) -> list[Turn]:
    spans = sorted((span, number) for piece, number in zip(pieces, numbers, strict=True) for span in piece.spans)
    unused = (letter for letter in letters() if letter not in names.values())
    labels = dict(names)
    turns: list[Turn] = []
    last: dict[str, int] = {}
    for (start, end), number in spans:
        if number not in labels:
            labels[number] = next(unused)
        label = labels[number]
        at = last.get(label)
        if at is not None and start - turns[at].end <= JOINED:
            turns[at] = Turn(label, turns[at].start, max(end, turns[at].end))
        else:
            last[label] = len(turns)
            turns.append(Turn(label, start, end))
    return turns
