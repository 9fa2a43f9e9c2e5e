"""Labels while a recording runs: each voice goes to the nearest one before it, or is a new one.

They are a guess. Whoever speaks little, or early and then otherwise, may have another label once all windows have been
heard and `settle` has seen the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.speakers.turns import Reference, letters
from engines.speakers.voice_piece import Embedding, VoicePiece, decoded, normalised

LIKENESS = 0.4  # cosine from which a voice is one that spoke before
MIN_CLEAN = 1.0  # seconds of clean speech that a new speaker is told by
CLEAR = 0.5  # … that tell more of a voice; in less, and where others talk into it, is too much else


class Provisional:
    """Takes the windows' pieces in the order of the windows, those of a checkpoint, too: then a resumed run goes on
    with the same labels."""

    def __init__(self, references: Sequence[Reference] = ()) -> None:
        self._letters = letters()
        self._sums: dict[str, Embedding] = {each.name: decoded(each.voiceprint) for each in references}
        self._names = set(self._sums)
        self._last = ""

    def labels(self, pieces: Sequence[VoicePiece]) -> tuple[str, ...]:
        """One label for each of a window's pieces, in the order of their start; one without a voiceprint has that of
        its voice before it, else of whoever spoke last."""
        last_of: dict[tuple[int, int], str] = {}
        labels = []
        for piece in pieces:
            embedding, voice = piece.embedding, (piece.chunk, piece.voice)
            if embedding is not None:
                last_of[voice] = self._last = self._nearest(embedding, piece.clean)
            labels.append(last_of.get(voice) or self._last or self._first())
        return tuple(labels)

    def _nearest(self, embedding: Embedding, clean: float) -> str:
        likeness = {name: float(normalised(each) @ embedding) for name, each in self._sums.items()}
        nearest = max(likeness, key=likeness.__getitem__, default="")
        is_new = not nearest or (likeness[nearest] < LIKENESS and (clean >= MIN_CLEAN or nearest in self._names))
        label = self._new() if is_new else nearest
        if is_new or clean >= CLEAR:
            self._sums[label] = self._sums.get(label, np.zeros_like(embedding)) + clean * embedding
        return label

    def _first(self) -> str:
        self._last = self._new()
        return self._last

    def _new(self) -> str:
        return next(letter for letter in self._letters if letter not in self._names)
