"""Times in a window to times in the recording. What follows a pause in a window may be minutes away."""

from __future__ import annotations

from collections.abc import Iterable

from engines.base import SAMPLE_RATE, Window

Spans = tuple[tuple[float, float], ...]


def placed(window: Window, spans: Iterable[tuple[float, float]]) -> Spans:
    """The spans, in seconds from the window's start, in the recording's seconds; cut where the window leaves a pause
    out. To a millisecond, so that what is read back from a checkpoint is what was written."""
    found = []
    for start, end in spans:
        for piece in window.pieces:
            first = piece.target / SAMPLE_RATE
            begins, ends = max(start, first), min(end, first + piece.length / SAMPLE_RATE)
            if begins < ends:
                shift = (piece.source - piece.target) / SAMPLE_RATE
                found.append((round(begins + shift, 3), round(ends + shift, 3)))
    return tuple(found)
