"""Which pieces of voices there are in some 10 s, by who of three voices speaks in each frame.

frames ─► runs of a voice: no silence over 0.15 s in them, and nobody else alone ─► pieces of about 1.5 s, cut where it
is quietest

A voice of the network may be two people where turns are many. A run hardly ever is, and runs of one person come
together when all pieces are clustered: that takes most of the confusion away (see docs/SPEAKERS.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.speakers.networks.sessions import FIRST, FRAME, Active

SILENCE = 0.15  # seconds that nobody speaks, from which a run ends: another may go on under the same voice
PIECE = 1.5  # seconds that a run is cut into, about …
REACH = 1 / 3  # … and by how much of that earlier or later, where it is quieter: another voice may begin there

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]
Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class LocalPiece:
    """voice: 0 to 2. spans, clean: where it is heard, and where it is heard alone; in seconds of the chunk."""

    voice: int
    spans: Spans
    clean: Spans

    @property
    def clean_seconds(self) -> float:
        return sum(end - start for start, end in self.clean)


def local_pieces(active: Active, level: Floats, seconds: float) -> list[LocalPiece]:
    """In order of their start. level: decibels of each frame. seconds: how long the chunk is."""
    found = []
    for voice in range(active.shape[1]):
        others: Flags = np.asarray(np.delete(active, voice, axis=1).any(axis=1))
        for run in _runs(np.flatnonzero(active[:, voice]), others):
            for part in _parts(run, level):
                clean = _spans(part[~others[part]], len(active), seconds)
                found.append(LocalPiece(voice, _spans(part, len(active), seconds), clean))
    return sorted(found, key=lambda piece: (piece.spans, piece.voice))


def _runs(frames: Indices, others: Flags) -> Iterator[Indices]:
    """frames: those in which the voice speaks. others: whether anybody else does, for every frame."""
    if not len(frames):
        return
    spoken = np.concatenate([[0], np.cumsum(others)])
    before, after = frames[:-1], frames[1:]
    is_long = (after - before - 1) * FRAME > SILENCE
    is_taken = spoken[after] - spoken[before + 1] > 0
    yield from np.split(frames, np.flatnonzero(is_long | is_taken) + 1)


def _parts(run: Indices, level: Floats) -> list[Indices]:
    """Cut where it is quietest around each of the places that make them equal."""
    count = max(1, round(len(run) * FRAME / PIECE))
    places = np.arange(1, count) * len(run) / count
    reach = REACH * len(run) / count
    quiet = level[run]
    windows = [(round(place - reach), round(place + reach)) for place in places]
    cuts = [first + int(quiet[first:last].argmin()) for first, last in windows]
    return np.split(run, cuts)


def _spans(frames: Indices, count: int, seconds: float) -> Spans:
    """Frames that follow each other, as seconds. The first of the chunk begins with it, and the last ends with it."""
    if not len(frames):
        return ()
    groups = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    return tuple((_edge(int(group[0]), count, seconds), _edge(int(group[-1]) + 1, count, seconds)) for group in groups)


def _edge(frame: int, count: int, seconds: float) -> float:
    if frame in (0, count):
        return 0.0 if frame == 0 else seconds
    return min(FIRST + frame * FRAME, seconds)
