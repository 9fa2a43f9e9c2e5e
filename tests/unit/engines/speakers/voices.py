"""Made-up voices: embeddings around directions of their own, as a network gives them for people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.speakers.voice_piece import Embedding, VoicePiece, encoded, normalised

SIZE = 192


def made_up(voice: int, spread: float = 0.0, seed: int = 0) -> Embedding:
    """The voice, with noise of a length of `spread` of its own."""
    own = np.random.default_rng(1000 + voice).normal(0, 1, SIZE).astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, 1, SIZE).astype(np.float32)
    return normalised(normalised(own) + spread * normalised(noise))


def talk(who: Sequence[int], spread: float = 0.3, each: float = 6.0) -> list[VoicePiece]:
    """One voice after another, a piece of `each` seconds every 10 seconds."""
    return [
        VoicePiece(at, 0, ((10.0 * at, 10.0 * at + each),), each, encoded(made_up(voice, spread, seed=at)))
        for at, voice in enumerate(who)
    ]
