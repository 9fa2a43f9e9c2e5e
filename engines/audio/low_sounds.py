"""The low sounds that a telephone leaves out, for voice activity.

A voice's fundamental and its first harmonics lie below 300 Hz. Without them the network hears next to nothing of some
people, and of others less after each pause. They are made again from what is left: the envelope of the harmonics above
beats at the pitch, so the rectified sound has it.
"""

from __future__ import annotations

import numpy as np

from engines.audio.source.chunk import Samples
from engines.base import SAMPLE_RATE

_MADE_HZ = (60.0, 350.0)
_TAPS = 512  # of the filter that takes them from the rectified sound: 32 ms
_STEP = 4096  # samples: transforms of any length would take ten times as long
_LOW, _SPEECH = slice(6, 9), slice(24, 102)  # of a frame's spectrum: 190 to 280 Hz, above hum; 750 Hz to 3.2 kHz
_MISSING = (
    10**-3.3
)  # ratio of their energies below which low sounds are missing; of voices in full sound 0.001 and more
_MEMORY = 0.98  # part of what is known of the band that is left after a block of 2 s
_PREEMPHASIS = 0.97


class LowSounds:
    """Call it with blocks of frames, shape (n, samples a frame), one after the other."""

    def __init__(self) -> None:
        self._low = self._speech = 0.0
        self._before = np.zeros(_TAPS - 1, np.float32)  # the rectified sound just before

    def added(self, frames: Samples) -> Samples:
        """The frames with low sounds, or as they are if they have some."""
        rectified = np.concatenate([self._before, np.abs(frames).reshape(-1)])
        self._before = rectified[-(_TAPS - 1) :]
        if not self._are_missing(frames):
            return frames
        size = -(-len(rectified) // _STEP) * _STEP
        spectrum = np.fft.rfft(rectified, size) * np.fft.rfft(_filter(), size)
        made = np.fft.irfft(spectrum, size)[_TAPS - 1 : len(rectified)]
        return np.asarray(frames + made.reshape(frames.shape), np.float32)

    def _are_missing(self, frames: Samples) -> bool:
        window = np.hanning(frames.shape[1]).astype(np.float32)
        waves = np.fft.rfft(frames * window, axis=1)
        energies = (np.square(waves.real) + np.square(waves.imag)).sum(axis=0)
        angles = np.linspace(0, np.pi, len(energies))
        energies *= 1 + _PREEMPHASIS**2 - 2 * _PREEMPHASIS * np.cos(angles)
        self._low = _MEMORY * self._low + float(energies[_LOW].sum())
        self._speech = _MEMORY * self._speech + float(energies[_SPEECH].sum())
        return self._low < _MISSING * self._speech


def _filter() -> Samples:
    """A band pass: the difference of two low passes, in Hann's window."""
    at = (np.arange(_TAPS) - (_TAPS - 1) / 2) / SAMPLE_RATE
    low, high = (2 * hertz / SAMPLE_RATE * np.sinc(2 * hertz * at) for hertz in _MADE_HZ)
    taps = (high - low) * np.hanning(_TAPS)
    return np.asarray(taps - taps.mean(), np.float32)
