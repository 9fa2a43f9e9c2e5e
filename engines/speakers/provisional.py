"""Labels while a recording runs: each voice goes to the nearest one before it, or is a new one.

They are a guess. Whoever speaks little, or early and then otherwise, may have another label once all windows have been
heard and `settle` has seen the whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from engines.speakers.turns import Reference, letters
from engines.speakers.voice_piece import Embedding, VoicePiece, decoded, normalised

LIKENESS = 0.4  # cosine from which a voice is one that spoke before
MIN_CLEAN = 1.5  # seconds of clean speech that a new speaker is told by


class Provisional:
    """Takes the windows' pieces in the order of the windows, those of a checkpoint, too: then a resumed run goes on
    with the same labels."""

    def __init__(self, references: Sequence[Reference] = ()) -> None:
        self._letters = letters()
        self._sums: dict[str, Embedding] = {each.name: decoded(each.voiceprint) for each in references}
        self._names = set(self._sums)
        self._last = ""

    def labels(self, pieces: Sequence[VoicePiece]) -> tuple[str, ...]:
        """One label for each of a window's pieces."""
        by_voice: dict[tuple[int, int], list[VoicePiece]] = defaultdict(list)
        for piece in pieces:
            by_voice[piece.chunk, piece.voice].append(piece)
        label_of = {voice: self._label(own) for voice, own in by_voice.items()}
        return tuple(label_of[piece.chunk, piece.voice] for piece in pieces)

    def _label(self, pieces: Sequence[VoicePiece]) -> str:
        """Of all that one voice of a chunk says."""
        known = [(piece.clean, embedding) for piece in pieces if (embedding := piece.embedding) is not None]
        if known:
            weighed = sum((seconds * embedding for seconds, embedding in known), np.zeros_like(known[0][1]))
            self._last = self._nearest(weighed, sum(seconds for seconds, _ in known))
        elif not self._last:
            self._last = self._new()
        return self._last

    def _nearest(self, weighed: Embedding, clean: float) -> str:
        embedding = normalised(weighed)
        likeness = {name: float(normalised(each) @ embedding) for name, each in self._sums.items()}
        nearest = max(likeness, key=likeness.__getitem__, default="")
        is_new = not nearest or (likeness[nearest] < LIKENESS and (clean >= MIN_CLEAN or nearest in self._names))
        label = self._new() if is_new else nearest
        self._sums[label] = self._sums.get(label, np.zeros_like(weighed)) + weighed
        return label

    def _new(self) -> str:
        return next(letter for letter in self._letters if letter not in self._names)
