"""A deterministic diarizer for tests: it tells tones apart by their pitch. Two people who hum never overlap."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from engines.base import SAMPLE_RATE, Window
from engines.errors import Canceled, NoVoice, SeveralVoices
from engines.speakers.placing import placed
from engines.speakers.voice_piece import VoicePiece, encoded

_STEP = SAMPLE_RATE // 4  # samples whose pitch is heard at once
_PITCHES, _HERTZ = 32, 40.0  # voices there may be, and how far their pitches are apart
_LOUD = 1e-3  # root mean square from which there is a voice


class FakeDiarizer:
    """A voice is a pitch, to 40 Hz and below 1,280; a window is one chunk."""

    name = "fake"

    def __init__(self, threads: int = 1) -> None:
        self._threads = ThreadPoolExecutor(threads, "diarizer")

    def submit(self, window: Window) -> Future[tuple[VoicePiece, ...]]:
        return self._threads.submit(self.pieces, window)

    def pieces(self, window: Window) -> tuple[VoicePiece, ...]:
        if window.is_canceled():
            raise Canceled()
        return tuple(piece for piece in self._pieces(window) if piece.spans)

    def voiceprint(self, samples: NDArray[np.float32]) -> str:
        heard = [pitch for pitch in _pitches(samples) if pitch is not None]
        if len(heard) < 2:
            raise NoVoice()
        if sum(heard.count(pitch) >= 8 for pitch in set(heard)) > 1:
            raise SeveralVoices()
        return _voiceprint(max(heard, key=heard.count))

    def close(self) -> None:
        self._threads.shutdown()

    def _pieces(self, window: Window) -> list[VoicePiece]:
        found, at = [], 0
        for pitch, steps in groupby(_pitches(window.samples)):
            start, at = at, at + len(list(steps))
            if pitch is not None:
                span = (start * _STEP / SAMPLE_RATE, min(at * _STEP / SAMPLE_RATE, window.seconds))
                spans = placed(window, [span])
                found.append(VoicePiece(window.index, pitch, spans, span[1] - span[0], _voiceprint(pitch)))
        return found


def _pitches(samples: NDArray[np.float32]) -> list[int | None]:
    return [_pitch(samples[at : at + _STEP]) for at in range(0, len(samples), _STEP)]


def _pitch(samples: NDArray[np.float32]) -> int | None:
    if float(np.sqrt(np.mean(np.square(samples)))) < _LOUD:
        return None
    strongest = int(np.abs(np.fft.rfft(samples, _STEP)).argmax()) * SAMPLE_RATE / _STEP
    return min(round(strongest / _HERTZ), _PITCHES - 1)


def _voiceprint(pitch: int) -> str:
    embedding = np.zeros(_PITCHES, np.float32)
    embedding[pitch] = 1.0
    return encoded(embedding)
