"""Which frames hold speech: what the segmentation thinks of a frame, and how loud it is beside its voice.

The network was trained on transcripts whose turns run over short pauses, and a frame hears 62 ms, so by itself it
begins early, ends late and bridges breaths. If it is not sure, the level decides: of the frames that it takes for
speech with a doubt, those that are 30 dB quieter than their voice hardly ever are. See docs/SPEAKERS.md for what it
changes. Over a telephone it is in doubt far more often while somebody speaks, and the level decides nearly alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

SURE = 0.05  # chance of silence up to which a frame is speech, however quiet
LIKELY, LIKELY_NARROW = 0.5, 0.9  # … up to which it is speech if it is loud enough; over a telephone
PERHAPS, PERHAPS_NARROW = 0.7, 0.95  # … and if the background is far quieter still
QUIET = 30.0  # dB under its voice, from which a frame is not loud enough
FAR = 8.0  # dB that the background is under that, if it is far quieter
CERTAIN_SILENCE = 0.8  # chance of silence from which a frame tells of the background
GAP = 8  # frames, 0.14 s: what is shorter and lies between speech is speech

_HOP, _FIRST = 270, 360  # samples
_SMOOTHED = 3  # frames, 51 ms


def speech_classes(scores: Floats, samples: Floats, *, narrow: bool = False) -> NDArray[np.intp]:
    """For each frame the class of who speaks, 0 if nobody does. scores: logarithms, shape (frames, classes); class 0 is
    silence. samples: what they were made of. narrow: without anything above 4 kHz, as over a telephone."""
    classes: NDArray[np.intp] = scores.argmax(axis=1)
    if not classes.any():
        return classes
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    silence = chances[:, 0] / chances.sum(axis=1)
    level = levels(samples, len(scores))
    least = _voice_levels(level, classes) - QUIET
    background = np.median(level[silence > CERTAIN_SILENCE]) if (silence > CERTAIN_SILENCE).any() else np.inf
    likely, perhaps = (LIKELY_NARROW, PERHAPS_NARROW) if narrow else (LIKELY, PERHAPS)
    most_silent = np.where(background + FAR < least, perhaps, likely)
    is_speech = (silence < SURE) | ((silence < most_silent) & (level > least))
    found: NDArray[np.intp] = np.where(_without_gaps(is_speech), scores[:, 1:].argmax(axis=1) + 1, 0)
    return found


def levels(samples: Floats, count: int) -> Floats:
    """Decibels of each frame, over three frames."""
    wanted = _FIRST + _HOP * count
    padded = np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))
    energy = np.square(padded[_FIRST:]).reshape(count, _HOP).mean(axis=1)
    smooth = np.convolve(energy, np.full(_SMOOTHED, 1 / _SMOOTHED), "same")
    found: Floats = (10 * np.log10(smooth[:count] + 1e-10)).astype(np.float32)
    return found


def _voice_levels(level: Floats, classes: NDArray[np.intp]) -> Floats:
    """How loud the voice is that each frame belongs to, or is nearest to."""
    loud = np.zeros(int(classes.max()) + 1, np.float32)
    for number in np.unique(classes[classes > 0]):
        loud[number] = np.percentile(level[classes == number], 95)
    found: Floats = loud[classes[_nearest(np.flatnonzero(classes), len(classes))]]
    return found


def _nearest(spoken: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """For each frame the nearest of those that are spoken."""
    middles = (spoken[1:] + spoken[:-1]) / 2
    found: NDArray[np.intp] = spoken[np.searchsorted(middles, np.arange(count))]
    return found


def _without_gaps(is_speech: Flags) -> Flags:
    spoken = np.flatnonzero(is_speech)
    filled = is_speech.copy()
    for before in np.flatnonzero((np.diff(spoken) > 1) & (np.diff(spoken) <= GAP + 1)):
        filled[spoken[before] : spoken[before + 1]] = True
    return filled
