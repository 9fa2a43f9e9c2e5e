"""The diarizer for tests tells tones apart, in the recording's time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engines.base import SAMPLE_RATE, Piece
from engines.errors import Canceled, NoVoice, SeveralVoices
from engines.speakers.diarizer import SpeakerOptions, load_diarizer
from engines.speakers.settling import settle
from engines.speakers.turns import Turn
from tests.unit.factories import make_window


def hum(hertz: float, seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


def test_two_tones_are_two_speakers_and_a_pause_that_was_left_out_is_none() -> None:
    diarizer = load_diarizer(SpeakerOptions("fake"))
    samples = np.concatenate([hum(200, 2.0), hum(400, 2.0)])
    cut = (Piece(16_000, 0, 48_000), Piece(160_000, 48_000, 16_000))
    window = replace(make_window(), samples=samples, pieces=cut)
    pieces = diarizer.submit(window).result(10)
    assert settle(pieces) == [Turn("A", 1.0, 3.0), Turn("B", 3.0, 4.0), Turn("B", 10.0, 11.0)]
    assert diarizer.voiceprint(hum(400, 2.0)) == pieces[1].voiceprint
    diarizer.close()


def test_silence_is_no_voice_and_an_unwanted_window_is_not_heard() -> None:
    diarizer = load_diarizer(SpeakerOptions("fake"))
    with pytest.raises(NoVoice):
        diarizer.voiceprint(np.zeros(SAMPLE_RATE, np.float32))
    with pytest.raises(SeveralVoices):
        diarizer.voiceprint(np.concatenate([hum(200, 2.0), hum(400, 3.0)]))
    with pytest.raises(Canceled):
        diarizer.pieces(replace(make_window(), is_canceled=lambda: True))
    diarizer.close()
