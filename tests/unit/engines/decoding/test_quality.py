"""A window is decoded again at the next temperature exactly when Whisper's thresholds say so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.base import Attempt, WindowResult
from engines.decoding.quality import LOOP_REPEATS, LOOP_TOKENS, MAX_LOOP, Ladder, has_loop
from tests.unit.factories import make_result

LADDER = Ladder()
REPEATS: dict[str, Any] = {"compression_ratio": 2.5}
DOUBTS: dict[str, Any] = {"avg_logprob": -1.1}
LOOPS: dict[str, Any] = {"tokens": (7, 8) * 10}
ECHOES: dict[str, Any] = {"tokens": (1, 2, 3, 4, 5, 6) * 2}


def silence(temperature: float = 0.0) -> WindowResult:
    return make_result(" Thank you.", no_speech_prob=0.9, avg_logprob=-1.5, temperature=temperature)


def climb(ladder: Ladder = LADDER, **fault: Any) -> list[float]:
    """The temperatures at which a window is decoded whose results all have this fault."""
    climbed = [0.0]
    while attempt := ladder.next_attempt(climbed[-1], make_result(**fault)):
        assert attempt.temperature is not None
        climbed.append(attempt.temperature)
    return climbed


@pytest.mark.parametrize(
    "edge",
    [{"compression_ratio": 2.4}, {"avg_logprob": -1.0}, {"no_speech_prob": 0.99}, {"tokens": (7, 8) * 9}],
)
def test_a_result_on_the_threshold_stands(edge: dict[str, Any]) -> None:
    assert climb(**edge) == [0.0]


@pytest.mark.parametrize("fault", [REPEATS, DOUBTS, LOOPS])
def test_a_result_past_a_threshold_climbs_the_whole_ladder(fault: dict[str, Any]) -> None:
    assert climb(**fault) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


@pytest.mark.parametrize("fault", [REPEATS, DOUBTS, LOOPS, ECHOES, {"no_speech_prob": 0.9, "avg_logprob": -1.5}])
def test_a_shortened_window_is_first_decoded_at_full_length(fault: dict[str, Any]) -> None:
    assert LADDER.next_attempt(0.0, make_result(is_shortened=True, **fault)) == Attempt(0.0, full_padding=True)


def test_what_holds_at_full_length_stands_though_a_phrase_comes_twice() -> None:
    assert climb(**ECHOES) == [0.0]
    assert LADDER.next_attempt(0.0, make_result(is_shortened=True)) is None


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

    assert has_loop(tokens) == any(runs(size) for size in range(1, MAX_LOOP + 1))


def test_silence_is_not_decoded_again_and_leaves_no_text() -> None:
    assert LADDER.next_attempt(0.0, silence()) is None
    chosen = LADDER.choose([silence()])
    assert (chosen.text, chosen.tokens, chosen.words, chosen.word_tokens) == ("", (), (), ())
    assert chosen.no_speech_prob == 0.9


def test_text_the_model_believes_in_is_no_silence() -> None:
    sure = make_result(" Quiet words.", no_speech_prob=0.9, avg_logprob=-0.3)
    assert LADDER.choose([sure]) == sure


def test_the_first_result_that_holds_is_chosen() -> None:
    good = make_result(" Good.", temperature=0.2, avg_logprob=-0.9)
    assert LADDER.choose([make_result(" Better liked.", avg_logprob=-0.1, **REPEATS), good]) == good


def test_of_failed_results_the_likeliest_that_does_not_repeat_itself_is_chosen() -> None:
    loop = make_result(" la la la", avg_logprob=-0.1, **REPEATS)
    weak = make_result(" Weak.", avg_logprob=-2.0, temperature=0.2)
    fair = make_result(" Fair.", avg_logprob=-1.2, temperature=0.4)
    last = make_result(" Last.", avg_logprob=-3.0, temperature=1.0)
    assert LADDER.choose([loop, weak, fair, last]) == fair


def test_where_all_repeat_themselves_the_likeliest_is_chosen() -> None:
    attempts = [make_result(f" {at}", avg_logprob=at, **REPEATS) for at in (-0.5, -0.2, -0.9)]
    assert LADDER.choose(attempts).text == " -0.2"


def test_silence_found_on_a_higher_step_blanks_the_window() -> None:
    assert LADDER.choose([make_result(**REPEATS), silence(0.2)]).text == ""


def test_a_shorter_ladder_ends_earlier() -> None:
    assert climb(Ladder(temperatures=(0.0, 0.5)), **DOUBTS) == [0.0, 0.5]
