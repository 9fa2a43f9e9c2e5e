"""A few seconds of one voice, as the diarizer hears it in one window.

Pieces are what a recording's speakers are made of at its end, and what its checkpoint keeps: every field is plain JSON.
A voiceprint is biometric data. It stays in the checkpoint and goes with it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Embedding = NDArray[np.float32]  # shape (n,), length 1


@dataclass(frozen=True, slots=True)
class VoicePiece:
    """chunk: a number for the stretch of about 10 s that was heard at once; of no other in the recording. voice: which
    of the voices that were told apart in that chunk. spans: where it is heard, in seconds of the recording, in order.
    clean: seconds of it in which nobody else speaks. voiceprint: of these, or if they are too few, of all; see
    `encoded`; empty if it is too short."""

    chunk: int
    voice: int
    spans: tuple[tuple[float, float], ...]
    clean: float
    voiceprint: str = ""

    @property
    def start(self) -> float:
        return self.spans[0][0]

    @property
    def end(self) -> float:
        return self.spans[-1][1]

    @property
    def seconds(self) -> float:
        return sum(end - start for start, end in self.spans)

    @property
    def embedding(self) -> Embedding | None:
        return decoded(self.voiceprint) if self.voiceprint else None


def encoded(embedding: Embedding) -> str:
    """A voiceprint: the embedding as float16, little-endian, in base64. So a run that is resumed has the numbers that
    the first one had, to the last bit."""
    return base64.b64encode(embedding.astype("<f2").tobytes()).decode("ascii")


def decoded(voiceprint: str) -> Embedding:
    numbers = np.frombuffer(base64.b64decode(voiceprint), "<f2").astype(np.float32)
    return normalised(numbers)


def normalised(embedding: Embedding) -> Embedding:
    """At length 1."""
    scaled: Embedding = embedding / max(float(np.linalg.norm(embedding)), 1e-9)
    return scaled
