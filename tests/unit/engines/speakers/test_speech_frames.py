"""Frames of speech: where the network is in doubt, the level beside the voice decides."""

from __future__ import annotations

import numpy as np

from engines.speakers.networks.speech_frames import speech_classes
from tests import speech

HOP, FIRST = 270, 360  # samples
SURE, DOUBT, PERHAPS, SILENT = 0.01, 0.3, 0.6, 0.95  # chances of silence


def scores(*parts: tuple[float, int]) -> np.ndarray:
    """Chances of silence and how many frames each; the rest is the second voice's."""
    silence = np.repeat([chance for chance, _ in parts], [count for _, count in parts])
    chances = np.full((len(silence), 7), 1e-6)
    chances[:, 0], chances[:, 2] = silence, 1 - silence
    found: np.ndarray = np.log(chances).astype(np.float32)
    return found


def sound(*parts: tuple[float, int]) -> np.ndarray:
    """Loudness and how many frames each."""
    noises = [speech.noise(count * HOP / 16_000, loudness, at) for at, (loudness, count) in enumerate(parts)]
    return np.concatenate([np.zeros(FIRST, np.float32), *noises]).astype(np.float32)


def spoken(found: np.ndarray) -> list[int]:
    """Where it changes between speech and silence."""
    assert set(found) <= {0, 2}
    return [int(at) + 1 for at in np.flatnonzero(np.diff(found > 0))]


def test_what_is_doubtful_and_far_quieter_than_its_voice_is_a_pause() -> None:
    chances = scores((SURE, 100), (DOUBT, 40), (SURE, 100))
    assert spoken(speech_classes(chances, sound((0.1, 100), (0.0005, 40), (0.1, 100)))) == [101, 139]
    assert spoken(speech_classes(chances, sound((0.1, 100), (0.02, 40), (0.1, 100)))) == []


def test_what_is_sure_is_speech_however_quiet() -> None:
    assert spoken(speech_classes(scores((SURE, 200)), sound((0.1, 100), (0.0005, 100)))) == []


def test_what_may_be_a_pause_is_speech_if_it_is_loud_and_the_background_is_not() -> None:
    chances = scores((SURE, 100), (PERHAPS, 40), (SILENT, 60))
    assert spoken(speech_classes(chances, sound((0.1, 100), (0.02, 40), (0.0001, 60)))) == [140]
    assert spoken(speech_classes(chances, sound((0.1, 100), (0.02, 40), (0.01, 60)))) == [100]


def test_over_a_telephone_the_level_decides_nearly_alone() -> None:
    chances = scores((SURE, 100), (PERHAPS, 40), (SURE, 100))
    assert spoken(speech_classes(chances, sound((0.1, 100), (0.02, 40), (0.1, 100)), narrow=True)) == []
    assert spoken(speech_classes(chances, sound((0.1, 100), (0.0005, 40), (0.1, 100)), narrow=True)) == [101, 139]


def test_short_gaps_are_closed() -> None:
    chances = scores((SURE, 50), (SILENT, 8), (SURE, 50), (SILENT, 9), (SURE, 50))
    level = sound((0.1, 50), (0.0001, 8), (0.1, 50), (0.0001, 9), (0.1, 50))
    assert spoken(speech_classes(chances, level)) == [108, 117]


def test_nobody_speaks_and_one_frame() -> None:
    assert spoken(speech_classes(scores((SILENT, 30)), sound((0.1, 30)))) == []
    assert list(speech_classes(scores((SURE, 1)), sound((0.1, 1))[:991])) == [2]
