"""The known speech is what it says: the voice speaks where the times say, and the same seed says the same."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests import speech
from tests.speech import SAMPLE_RATE, Recording, Samples
from tests.talk import script

SENTENCES = ("Good morning everybody.", "Five people asked for a refund.", "Snow fell.")
PAUSES = (0.75, 2.0, 0.25)


@pytest.fixture(scope="module")
def spoken() -> Recording:
    return speech.speak(SENTENCES, PAUSES, seed=1)


def loudness(samples: Samples, start: float, end: float) -> float:
    """Root mean square from `start` to `end` seconds."""
    return float(np.sqrt((samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] ** 2).mean()))


def test_the_voice_is_where_the_times_say(spoken: Recording) -> None:
    assert tuple(sentence.text for sentence in spoken.sentences) == SENTENCES
    for sentence in spoken.sentences:
        assert loudness(spoken.samples, sentence.start - 0.1, sentence.start - 0.04) < 0.001
        assert loudness(spoken.samples, sentence.start, sentence.start + 0.1) > 0.01
        assert loudness(spoken.samples, sentence.end - 0.1, sentence.end) > 0.002
        assert loudness(spoken.samples, sentence.end + 0.04, sentence.end + 0.1) < 0.001


def test_the_pauses_are_those_asked_for(spoken: Recording) -> None:
    ends = (0.0, *(sentence.end for sentence in spoken.sentences))
    assert [row.start - end for row, end in zip(spoken.sentences, ends, strict=False)] == pytest.approx(PAUSES)
    assert spoken.seconds == pytest.approx(ends[-1] + 0.5, abs=0.1)


def test_the_same_seed_speaks_the_same_and_another_does_not(spoken: Recording) -> None:
    again, other = (speech.speak(SENTENCES[:1], PAUSES[:1], seed) for seed in (1, 2))
    end = round(again.sentences[0].end * SAMPLE_RATE)
    assert again.sentences == spoken.sentences[:1]
    assert np.array_equal(again.samples[:end], spoken.samples[:end])
    assert other.sentences != again.sentences


def test_a_recording_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "CACHE", tmp_path / "cache" / "speech")
    first = speech.recording(0.05, seed=3)
    monkeypatch.setattr(speech, "_voice", None)  # whoever wanted to speak now would fail
    again = speech.recording(0.05, seed=3)
    assert again.sentences == first.sentences
    assert np.array_equal(again.samples, first.samples)
    assert 3.0 <= first.sentences[-1].end < first.seconds < 25
    assert [sentence.text for sentence in first.sentences] == [
        line.text for line in islice(script(3), len(first.sentences))
    ]
    assert sorted(path.suffix for path in speech.CACHE.iterdir()) == [".flac", ".json", ".lock"]
