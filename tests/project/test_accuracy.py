"""The measures measure: a known error gives the known figure."""

from __future__ import annotations

import pytest

from tests.accuracy import sentence_starts, start_errors, word_error_rate, word_errors
from tests.speech import Sentence

TALK = (
    Sentence("Snow fell on the harbor.", 1.0, 2.5),
    Sentence("Nobody slept that night.", 3.2, 4.6),
    Sentence("Snow fell on the harbor.", 9.0, 10.5),
)


def spoken(sentences: tuple[Sentence, ...] = TALK, late: float = 0.0) -> list[tuple[str, float]]:
    """A transcript of every word, a quarter of a second for each."""
    return [
        (f" {word}", sentence.start + late + place * 0.25)
        for sentence in sentences
        for place, word in enumerate(sentence.text.split())
    ]


def test_the_same_words_have_no_errors() -> None:
    assert word_error_rate("Snow fell on the harbor.", "Snow fell on the harbor.") == 0


def test_writing_is_no_error() -> None:
    assert word_error_rate("We don't favor twenty colors, do we?", "we do not favour 20 colours do we") == 0


@pytest.mark.parametrize(
    ("heard", "substitutions", "deletions", "insertions"),
    [
        ("the dog ran up the street at noon or so later", 1, 0, 1),
        ("the dog ran down street at noon or", 0, 2, 0),
        ("the dog ran ran down the street at noon or so", 0, 0, 1),
        ("", 0, 10, 0),
    ],
)
def test_each_kind_of_error_is_counted(heard: str, substitutions: int, deletions: int, insertions: int) -> None:
    errors = word_errors("the dog ran down the street at noon or so", heard)
    expected = (substitutions, deletions, insertions)
    assert (errors.substitutions, errors.deletions, errors.insertions, errors.words) == (*expected, 10)
    assert errors.rate == sum(expected) / 10


def test_right_times_are_all_right() -> None:
    assert sentence_starts(TALK, spoken()) == 1
    assert start_errors(TALK, spoken(late=0.1)) == pytest.approx([0.1, 0.1, 0.1])


@pytest.mark.parametrize(("late", "share"), [(0.29, 1), (-0.29, 1), (0.31, 0), (-0.31, 0), (-8.0, 0)])
def test_a_start_is_right_within_the_tolerance_on_either_side(late: float, share: float) -> None:
    assert sentence_starts(TALK, spoken(late=late)) == share


def test_a_sentence_not_heard_is_a_miss_and_its_neighbors_are_not() -> None:
    assert start_errors(TALK, spoken((TALK[0], TALK[2]))) == [0, None, 0]
    assert sentence_starts(TALK, spoken((TALK[0], TALK[2]))) == pytest.approx(2 / 3)


def test_a_misheard_first_word_still_has_its_time() -> None:
    words = spoken()
    words[5] = (" Somebody", words[5][1])
    assert start_errors(TALK, words) == [0, 0, 0]


def test_a_lost_first_word_counts_as_late() -> None:
    words = spoken()
    del words[5]
    assert start_errors(TALK, words) == pytest.approx([0, 0.25, 0])


def test_invented_words_do_not_move_a_start() -> None:
    words = spoken()
    words[5:5] = [(" and", 2.6), (" so", 2.8), (" on", 2.9)]
    assert start_errors(TALK, words) == [0, 0, 0]


def test_times_follow_words_written_otherwise() -> None:
    talk = (Sentence("Five people don't favor it.", 0.5, 2.0), Sentence("Let us vote.", 3.0, 4.0))
    words = [("5", 0.5), ("people", 0.8), ("do", 1.0), ("not", 1.1), ("favour", 1.3), ("it", 1.6), ("Let's", 3.1)]
    assert start_errors(talk, [*words, ("vote", 3.5)]) == pytest.approx([0, 0.1])


def test_nothing_heard_is_nothing_right() -> None:
    assert sentence_starts(TALK, []) == 0
