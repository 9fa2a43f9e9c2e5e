"""The script of the known speech, and the sounds without speech."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from tests import speech
from tests.speech import SAMPLE_RATE, Samples
from tests.talk import script


def loudness(samples: Samples, start: float, end: float) -> float:
    """Root mean square from `start` to `end` seconds."""
    return float(np.sqrt((samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] ** 2).mean()))


def test_a_long_talk_hardly_repeats_itself() -> None:
    lines = list(islice(script(1), 650))  # about 45 minutes
    texts = [line.text for line in lines]
    assert len(set(texts[:380])) == 380
    assert len(set(texts)) > 450
    assert texts != [line.text for line in islice(script(2), 650)]
    lengths = [len(text.split()) for text in texts]
    assert min(lengths) <= 3 <= 25 <= max(lengths)
    assert all(text[0].isupper() and text[-1] in ".?" for text in texts)
    assert not any(character.isdigit() or character in "{}" for character in "".join(texts))


def test_pauses_are_those_of_speech() -> None:
    pauses = [line.pause for line in islice(script(1), 650)]
    assert all(0.2 <= pause <= 0.9 or 2 <= pause <= 6 for pause in pauses)
    assert 20 < sum(pause >= 2 for pause in pauses) < 100


def test_sounds_without_speech_have_the_length_asked_for() -> None:
    assert len(speech.silence(1.5)) == len(speech.noise(1.5)) == len(speech.tone(1.5)) == 24_000
    assert not speech.silence(1).any()
    assert loudness(speech.noise(1, level=0.05), 0, 1) == pytest.approx(0.05, rel=0.05)
    spectrum = np.abs(np.fft.rfft(speech.tone(4)))
    assert spectrum.max() > 100 * np.median(spectrum)
