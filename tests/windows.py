"""Windows for tests of engines: samples with options, and sentences with odd names to take them from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.base import SAMPLE_RATE, Attempt, DecodeOptions, Piece, Window
from tests import speech

Samples = NDArray[np.float32]

SENTENCES = (
    "The first train leaves at seven.",
    "Nobody was waiting on the platform.",
    "The Zephyrex server belongs to Kaitlynn.",
    "We walked home along the river because the weather was fine.",
)


def window(samples: Samples, *, full_padding: bool = False, **options: Any) -> Window:
    attempt = Attempt(full_padding=full_padding)
    return Window(0, samples, (Piece(0, 0, len(samples)),), DecodeOptions(**options), attempt=attempt)


def said(talk: speech.Recording, number: int) -> Samples:
    """One sentence with a breath around it."""
    sentence = talk.sentences[number]
    return talk.samples[round((sentence.start - 0.3) * SAMPLE_RATE) : round((sentence.end + 0.3) * SAMPLE_RATE)]
