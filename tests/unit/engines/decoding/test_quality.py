"""A window is decoded again at the next temperature exactly when Whisper's thresholds say so."""

from __future__ import annotations

from typing import Any

import pytest

from engines.base import Attempt, WindowResult
from engines.decoding.quality import Ladder
from tests.unit.factories import make_result

LADDER = Ladder()
SECONDS = 10.0  # of the window
RUNS_AWAY: dict[str, Any] = {"tokens": (1, 2) * 100, "avg_logprob": -0.05}  # 20 tokens a second, and sure of each
DOUBTS: dict[str, Any] = {"avg_logprob": -1.1}
LOOPS: dict[str, Any] = {"tokens": (7, 8) * 10, "avg_logprob": -0.2}  # -1.4 a new token
ECHOES: dict[str, Any] = {"tokens": (1, 2, 3, 4, 5, 6) * 2}


def silence(temperature: float = 0.0) -> WindowResult:
    return make_result(" Thank you.", no_speech_prob=0.9, avg_logprob=-1.5, temperature=temperature)


def climb(ladder: Ladder = LADDER, **fault: Any) -> list[float]:
    """The temperatures at which a window is decoded whose results all have this fault."""
    climbed, attempts = [0.0], [make_result(**fault)]
    while attempt := ladder.next_attempt(climbed[-1], attempts, SECONDS):
        assert attempt.temperature is not None
        climbed.append(attempt.temperature)
        attempts.append(make_result(**fault))
    return climbed


@pytest.mark.parametrize(
    "edge",
    [
        {"compression_ratio": 2.4},
        {"avg_logprob": -1.0},
        {"no_speech_prob": 0.99},
        {"tokens": (7, 8) * 9, "avg_logprob": -0.9},
    ],
)
def test_a_result_on_the_threshold_stands(edge: dict[str, Any]) -> None:
    assert climb(**edge) == [0.0]


def test_text_the_model_does_not_believe_in_climbs_the_whole_ladder() -> None:
    assert climb(**DOUBTS) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


@pytest.mark.parametrize("fault", [RUNS_AWAY, {**LOOPS, **DOUBTS}])
def test_a_loop_takes_every_other_step_since_each_is_long(fault: dict[str, Any]) -> None:
    assert climb(**fault) == [0.0, 0.4, 0.8, 1.0]


def test_a_loop_that_may_have_been_said_is_decoded_once_more() -> None:
    assert climb(**LOOPS) == [0.0, 0.4]


def test_one_that_came_before_a_text_that_runs_away_ends_the_ladder_too() -> None:
    said, endless = make_result(" Apple, apple", **LOOPS), make_result(**RUNS_AWAY)
    assert LADDER.next_attempt(0.4, [said, endless], SECONDS) is None
    assert LADDER.choose([said, endless], SECONDS) == said


def test_silence_on_a_higher_step_does_not_blank_what_may_have_been_said() -> None:
    said = make_result(" Apple, apple", **LOOPS, no_speech_prob=0.9)
    assert LADDER.choose([said, silence(0.4)], SECONDS).text


def test_the_same_sentences_at_a_speakers_pace_stand() -> None:
    assert climb(tokens=tuple(range(26)) * 3, compression_ratio=2.7) == [0.0]


def test_sentences_over_and_over_to_the_models_limit_do_not() -> None:
    assert LADDER.next_attempt(0.0, [make_result(tokens=tuple(range(60)) * 4, compression_ratio=3.5)], 30.0)


def test_what_people_repeat_stands() -> None:
    """Seventeen times "no", then a sentence: the model is no less sure of what it says only once."""
    said = (5, 6) * 17 + tuple(range(10, 27))
    assert climb(tokens=said, avg_logprob=-0.15, compression_ratio=2.6) == [0.0]


@pytest.mark.parametrize("fault", [RUNS_AWAY, DOUBTS, LOOPS, ECHOES, {"no_speech_prob": 0.9, "avg_logprob": -1.5}])
def test_a_shortened_window_is_first_decoded_at_full_length(fault: dict[str, Any]) -> None:
    again = LADDER.next_attempt(0.0, [make_result(is_shortened=True, **fault)], SECONDS)
    assert again == Attempt(0.0, full_padding=True)


def test_what_holds_at_full_length_stands_though_a_phrase_comes_twice() -> None:
    assert climb(**ECHOES) == [0.0]
    assert LADDER.next_attempt(0.0, [make_result(is_shortened=True)], SECONDS) is None


def test_silence_is_not_decoded_again_and_leaves_no_text() -> None:
    assert LADDER.next_attempt(0.0, [silence()], SECONDS) is None
    chosen = LADDER.choose([silence()], SECONDS)
    assert (chosen.text, chosen.tokens, chosen.words, chosen.word_tokens) == ("", (), (), ())
    assert chosen.no_speech_prob == 0.9


def test_text_the_model_believes_in_is_no_silence() -> None:
    sure = make_result(" Quiet words.", no_speech_prob=0.9, avg_logprob=-0.3)
    assert LADDER.choose([sure], SECONDS) == sure


def test_the_first_result_that_holds_is_chosen() -> None:
    good = make_result(" Good.", temperature=0.2, avg_logprob=-0.9)
    assert LADDER.choose([make_result(" Better liked.", **RUNS_AWAY), good], SECONDS) == good


def test_of_failed_results_the_likeliest_that_did_not_run_away_is_chosen() -> None:
    loop = make_result(" la la la", **RUNS_AWAY)
    weak = make_result(" Weak.", avg_logprob=-2.0, temperature=0.2)
    fair = make_result(" Fair.", avg_logprob=-1.2, temperature=0.4)
    last = make_result(" Last.", avg_logprob=-3.0, temperature=1.0)
    assert LADDER.choose([loop, weak, fair, last], SECONDS) == fair


def test_of_loops_the_one_that_says_most_besides_is_chosen() -> None:
    """Not the one with the best mean: the longer a loop, the better that is."""
    endless = make_result(" no, no, no", tokens=(1, 2) * 100, avg_logprob=-0.05)
    shorter = make_result(" no, no. That was it.", tokens=(1, 2) * 80 + tuple(range(10, 30)), avg_logprob=-0.12)
    assert LADDER.choose([endless, shorter, endless], SECONDS) == shorter


def test_silence_found_on_a_higher_step_blanks_the_window() -> None:
    assert LADDER.choose([make_result(**RUNS_AWAY), silence(0.2)], SECONDS).text == ""


def test_a_shorter_ladder_ends_earlier() -> None:
    assert climb(Ladder(temperatures=(0.0, 0.5)), **DOUBTS) == [0.0, 0.5]
