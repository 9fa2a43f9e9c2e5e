"""The waveform that a player draws: the loudest of each stretch, whatever the blocks and however long it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.audio.peaks import FIRST, MOST, Peaks
from engines.base import SAMPLE_RATE


def heard(samples: np.ndarray, *cuts: int, most: int = MOST) -> tuple[int, ...]:
    peaks = Peaks(most)
    for block in np.split(samples.astype(np.float32), sorted(cuts)):
        peaks.hear(block)
    return peaks.levels()


def test_each_stretch_has_its_loudest_sample() -> None:
    samples = np.zeros(3 * FIRST)
    samples[FIRST - 1], samples[FIRST], samples[2 * FIRST + 5] = 0.5, -1.0, 0.1
    assert heard(samples) == (128, 255, 26)


def test_nothing_has_no_stretches_and_a_sample_has_one() -> None:
    assert heard(np.zeros(0)) == ()
    assert heard(np.ones(1)) == (255,)


@pytest.mark.parametrize("seconds", [1, 39, 41, 600, 3601])
def test_there_are_enough_of_them_and_not_too_many(seconds: int) -> None:
    levels = heard(np.linspace(0, 1, seconds * SAMPLE_RATE))
    assert min(MOST // 2, seconds * 100) <= len(levels) <= MOST
    assert list(levels) == sorted(levels)
    assert levels[-1] == 255
    assert levels[len(levels) // 2] == pytest.approx(128, abs=2)


@given(st.lists(st.integers(0, 50 * FIRST), max_size=8), st.integers(1, 50 * FIRST), st.integers(2, 9))
def test_blocks_make_no_difference(cuts: list[int], length: int, most: int) -> None:
    samples = np.random.default_rng(length).uniform(-1, 1, length)
    assert heard(samples, *(cut % (length + 1) for cut in cuts), most=most) == heard(samples, most=most)
    assert len(heard(samples, most=most)) <= most


def test_what_is_no_number_or_too_loud_is_drawn_all_the_same() -> None:
    samples = np.array([np.nan] * FIRST + [np.inf] * FIRST + [7.0] * FIRST)
    assert heard(samples) == (0, 255, 255)
