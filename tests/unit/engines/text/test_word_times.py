"""A word is where somebody speaks, no longer than a word can be, and in one piece of the recording."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.base import SAMPLE_RATE, Piece, Window
from engines.text.word_times import recording_words
from engines.transcript import Word
from tests.unit.factories import make_window, make_words


def spoken(*speech: tuple[float, float], seconds: float = 10) -> Window:
    return replace(make_window(seconds=seconds), speech=speech)


def in_two_pieces() -> Window:
    """5 s from the recording's start, and 5 s from its sixtieth second; speech up to 0.5 s from the cut."""
    half = 5 * SAMPLE_RATE
    pieces = (Piece(0, 0, half), Piece(60 * SAMPLE_RATE, half, half))
    return replace(make_window(seconds=10), pieces=pieces, speech=((1.0, 4.5), (5.5, 9.0)))


def times(window: Window, *words: tuple[str, float, float], not_before: float = 0.0) -> list[tuple[float, float]]:
    found = recording_words(window, [Word(text, start, end, 0.9) for text, start, end in words], not_before)
    return [(word.start, word.end) for word in found]


def test_a_word_gives_the_silence_around_it_back() -> None:
    words = ((" One.", 0.0, 3.0), (" Two", 3.0, 5.0), (" three.", 5.0, 9.0))
    assert times(spoken((1.0, 2.0), (4.0, 6.0)), *words) == [(1.0, 2.0), (4.0, 5.0), (5.0, 6.0)]


def test_a_word_that_reaches_into_the_next_stretch_ends_before_the_pause() -> None:
    words = ((" One.", 1.0, 5.1), (" Two", 5.1, 6.0))
    assert times(spoken((0.0, 2.0), (5.0, 8.0)), *words) == [(1.0, 2.0), (5.1, 6.0)]


def test_a_word_that_begins_in_the_stretch_before_begins_after_the_pause() -> None:
    words = ((" One.", 1.0, 1.9), (" Two", 1.9, 6.0))
    assert times(spoken((0.0, 2.0), (5.0, 8.0)), *words) == [(1.0, 1.9), (5.0, 6.0)]


@pytest.mark.parametrize(("start", "end", "edge"), [(3.0, 3.5, 2.0), (4.5, 5.5, 6.0), (0.0, 0.5, 1.0), (8.0, 9.0, 7.0)])
def test_a_word_in_a_pause_moves_to_the_nearest_speech(start: float, end: float, edge: float) -> None:
    assert times(spoken((1.0, 2.0), (6.0, 7.0)), (" hm", start, end)) == [(edge, edge)]


def test_a_word_without_length_stays_where_it_is_spoken() -> None:
    assert times(spoken((1.0, 4.0)), (" I", 2.0, 2.0), (" said", 2.0, 2.5)) == [(2.0, 2.0), (2.0, 2.5)]


def test_no_word_spans_a_pause_that_was_left_out() -> None:
    """Neither if speech is known nor if all counts as speech (a window that was not cut by voice activity)."""
    assert times(in_two_pieces(), (" The", 4.4, 5.7)) == [(60.5, 60.7)]
    everything = replace(in_two_pieces(), speech=())
    assert times(everything, (" The", 4.8, 5.6)) == [(60.0, 60.6)]


def test_no_word_is_longer_than_one_can_be() -> None:
    """The noise before a sentence is not its first word, and what follows one not its last."""
    window = spoken((0.0, 20.0), seconds=20)
    assert times(window, (" The", 0.0, 9.0), (" end.", 9.0, 18.0)) == [(7.7, 9.0), (9.0, 10.4)]


@pytest.mark.parametrize("pause", [0.2, 0.9])
def test_the_first_word_leaves_out_what_was_said_before_and_not_written_down(pause: float) -> None:
    """A greeting in another language: the word lay in it, 2 s early, and the rest of its sentence after a cue's end."""
    begins = 2.0 + pause
    words = ((" Good", 0.0, begins + 0.1), (" morning.", begins + 0.1, begins + 0.5))
    window = spoken((0.4, 2.0), (begins, begins + 3))
    assert times(window, *words) == [(begins, round(begins + 0.1, 3)), (round(begins + 0.1, 3), begins + 0.5)]
    before = times(window, (" Well.", 0.0, 0.3), *words)
    assert before[1:] == [(begins, round(begins + 0.1, 3)), (round(begins + 0.1, 3), begins + 0.5)], "nor in its midst"


def test_a_sentence_of_one_word_stays_in_the_speech_it_is_most_of() -> None:
    assert times(spoken((0.4, 2.0), (2.9, 6.0)), (" Yes.", 0.0, 3.0), (" The", 3.0, 3.2))[0] == (0.6, 2.0)


def test_nothing_begins_before_the_end_of_the_previous_window() -> None:
    found = recording_words(make_window(seconds=5), make_words(" one", " two", each=0.5), 0.7)
    assert [(word.start, word.end) for word in found] == [(0.7, 0.7), (0.7, 1.0)]
