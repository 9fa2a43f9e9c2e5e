"""A window is decoded again at the next temperature exactly when Whisper's thresholds say so."""

from __future__ import annotations

from typing import Any

import pytest

from engines.base import WindowResult
from engines.quality import Ladder
from tests.unit.factories import make_result

LADDER = Ladder()
REPEATS: dict[str, Any] = {"compression_ratio": 2.5}
DOUBTS: dict[str, Any] = {"avg_logprob": -1.1}


def silence(temperature: float = 0.0) -> WindowResult:
    return make_result(" Thank you.", no_speech_prob=0.9, avg_logprob=-1.5, temperature=temperature)


@pytest.mark.parametrize("edge", [{"compression_ratio": 2.4}, {"avg_logprob": -1.0}, {"no_speech_prob": 0.99}])
def test_a_result_on_the_threshold_stands(edge: dict[str, Any]) -> None:
    assert LADDER.next_temperature(make_result(**edge)) is None


@pytest.mark.parametrize("fault", [REPEATS, DOUBTS])
def test_a_result_past_a_threshold_climbs_the_whole_ladder(fault: dict[str, Any]) -> None:
    climbed = [0.0]
    while (step := LADDER.next_temperature(make_result(temperature=climbed[-1], **fault))) is not None:
        climbed.append(step)
    assert climbed == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def test_silence_is_not_decoded_again_and_leaves_no_text() -> None:
    assert LADDER.next_temperature(silence()) is None
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
    short = Ladder(temperatures=(0.0, 0.5))
    assert short.next_temperature(make_result(**DOUBTS)) == 0.5
    assert short.next_temperature(make_result(temperature=0.5, **DOUBTS)) is None
