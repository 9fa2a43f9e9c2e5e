"""Kaldi's filter banks, which the embedding network hears.

80 mel bands from 20 Hz to 8 kHz, frames of 25 ms every 10 ms, Povey's window, preemphasis 0.97, no dither; as
torchaudio.compliance.kaldi.fbank(samples, num_mel_bins=80), with samples in -1..1.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from engines.base import SAMPLE_RATE

BANDS = 80
STEP = 160  # samples between two frames: 10 ms
_LENGTH, _FFT = 400, 512  # samples of a frame, and of its transform
_LOWEST_HZ = 20.0
_PREEMPHASIS = 0.97
_FLOOR = 1.1920928955078125e-07  # the least energy a band may have

Floats = NDArray[np.float32]


def filter_banks(samples: Floats) -> Floats:
    """Shape (frames, 80), natural logarithms. Frames that reach past the end are left out, as Kaldi does it."""
    if len(samples) < _LENGTH:
        return np.zeros((0, BANDS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _LENGTH)[::STEP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    spectrum = np.fft.rfft((frames - _PREEMPHASIS * before) * _window(), _FFT)[:, : _FFT // 2]
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    energies = power.astype(np.float32) @ _bands().T
    found: Floats = np.log(np.maximum(energies, _FLOOR))
    return found


@functools.cache
def _window() -> Floats:
    """Povey's: Hann's to the power of 0.85."""
    return (np.hanning(_LENGTH) ** 0.85).astype(np.float32)


@functools.cache
def _bands() -> Floats:
    """Triangles on the mel scale, shape (80, 256)."""
    edges = np.linspace(_mel(_LOWEST_HZ), _mel(SAMPLE_RATE / 2), BANDS + 2)
    left, middle, right = (edges[at : at + BANDS, None] for at in range(3))
    mel = _mel(np.arange(_FFT // 2) * SAMPLE_RATE / _FFT)[None, :]
    up, down = (mel - left) / (middle - left), (right - mel) / (right - middle)
    return np.maximum(0.0, np.minimum(up, down)).astype(np.float32)


def _mel(hertz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log(1.0 + np.asarray(hertz) / 700.0))
