"""What repeats itself in a window's tokens, and whether somebody can have said it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engines.decoding.repetition import (
    LOOP_REPEATS,
    LOOP_TOKENS,
    MAX_PHRASE,
    has_loop,
    novel_count,
    novel_logprob,
    runs_away,
)
from tests.unit.factories import make_result


def test_a_loop_among_other_text_is_found() -> None:
    before, after = tuple(range(100, 160)), tuple(range(200, 260))
    assert has_loop(before + (1, 2, 3) * 8 + after)
    assert has_loop(before + (5,) * 21)
    assert not has_loop(before + (1, 2, 3) * 5 + after)  # "no, no, no" is a manner of speaking
    assert not has_loop(before + after + before)  # a refrain
    assert not has_loop(())


@given(st.lists(st.integers(0, 3), max_size=60))
def test_a_loop_is_what_a_plain_search_finds(tokens: list[int]) -> None:
    def runs(size: int) -> bool:
        length = max(LOOP_TOKENS, LOOP_REPEATS * size)
        stretches = (tokens[at : at + length] for at in range(len(tokens) - length + 1))
        return any(all(row[at] == row[at - size] for at in range(size, length)) for row in stretches)

    assert has_loop(tokens) == any(runs(size) for size in range(1, MAX_PHRASE + 1))


def test_what_was_just_said_is_not_new() -> None:
    assert novel_count((1, 2, 3)) == 3
    assert novel_count((1,) * 9) == 1
    assert novel_count((7, 1, 2, 1, 2, 1, 2, 8)) == 4
    assert novel_count((1, 1, 2, 1, 1, 2)) == 2  # the shorter phrase first
    assert novel_count((1, 2, 9, 1, 2)) == 5  # not in a row
    assert novel_count(()) == 0


@given(st.lists(st.integers(0, 3), max_size=60))
def test_new_tokens_are_some_of_all(tokens: list[int]) -> None:
    assert len(set(tokens)) <= novel_count(tokens) <= len(tokens)


def test_belief_is_spread_over_what_is_new() -> None:
    loop = make_result(tokens=(1, 2) * 100, avg_logprob=-0.05)
    assert novel_logprob(loop) == -0.05 * 201 / 3
    plain = make_result(tokens=tuple(range(30)), avg_logprob=-0.3)
    assert novel_logprob(plain) == -0.3


def test_more_than_anybody_can_say_runs_away() -> None:
    assert runs_away(make_result(tokens=(1, 2) * 61), seconds=10)
    assert not runs_away(make_result(tokens=(1, 2) * 59), seconds=10)


def test_a_loop_that_the_models_limit_ended_runs_away() -> None:
    assert runs_away(make_result(tokens=tuple(range(60)) + (1, 2, 3) * 50), seconds=30)
    assert not runs_away(make_result(tokens=(1, 2, 3) * 50 + tuple(range(60))), seconds=30)


def test_so_does_one_that_stumbles() -> None:
    stumbles = (1, 2, 3) * 40 + (1, 1, 2, 3, 1, 2, 1, 2, 3, 1) * 9
    assert runs_away(make_result(tokens=stumbles), seconds=30)


def test_sentences_are_not_said_as_fast_as_a_word_again_and_again() -> None:
    sentence = tuple(range(30))
    assert runs_away(make_result(tokens=sentence * 3), seconds=10)
    assert not runs_away(make_result(tokens=sentence * 3), seconds=12)
