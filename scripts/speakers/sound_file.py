"""Samples as a file that everybody reads."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.base import SAMPLE_RATE


def write_wav(path: Path, samples: NDArray[np.float32]) -> Path:
    """16 bits, mono, 16 kHz; as loud as it is, or quieter if it would clip."""
    peak = max(1.0, float(np.abs(samples).max(initial=0.0)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples / peak * 32767).astype("<i2").tobytes())
    return path
