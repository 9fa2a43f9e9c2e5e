"""Speech that a window's text passes over shows in its words' times, and is decoded once more alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engines.base import SAMPLE_RATE, DecodeOptions, Listening, Piece, Window, WindowResult
from engines.decoding.unheard_speech import Unheard, alone, unheard, with_heard
from engines.transcript import Word
from tests.unit.factories import make_result, make_window

# "… leaves at seven.", seven seconds of "go, go, go", and "The meeting ends.", as alignment has it
SPEECH = ((0.4, 1.8), (2.4, 9.4), (10.0, 11.5))
WORDS = (
    (" Leaves", 0.4, 1.2),
    (" seven.", 1.2, 1.8),
    (" The", 2.4, 5.8),
    (" meeting", 5.8, 10.4),
    (" ends.", 10.4, 11.5),
)


def spoken(speech: tuple[tuple[float, float], ...] = SPEECH, seconds: float = 12.0) -> Window:
    return replace(make_window(seconds=seconds), speech=speech)


def words(*rows: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(text, start, end, 0.9) for text, start, end in rows)


def result(*rows: tuple[str, float, float], logprob: float = -0.3) -> WindowResult:
    found = words(*rows)
    tokens = tuple((number,) for number in range(len(found)))
    text = "".join(word.text for word in found)
    return replace(
        make_result(text), words=found, word_tokens=tokens, tokens=tuple(range(len(found))), avg_logprob=logprob
    )


def test_words_longer_than_words_can_be_hold_unheard_speech() -> None:
    stretch = unheard(spoken(), words(*WORDS))
    assert stretch is not None
    assert (stretch.first, stretch.last, stretch.begins) == (2, 4, 10.0)
    assert [stretch.start, stretch.end] == pytest.approx([2.1, 9.7])


@pytest.mark.parametrize(
    ("rows", "speech", "start", "end"),
    [
        (WORDS[:2], SPEECH, 2.1, 12.0),
        ((*WORDS[:2], (" ends.", 10.0, 11.5)), SPEECH, 2.1, 9.7),
        ((*WORDS[:2], (" ends.", 10.4, 11.5)), ((0.4, 1.8), (1.9, 11.5)), 1.85, 11.5),
    ],
    ids=["behind the last word", "between two", "without a pause"],
)
def test_so_does_speech_that_no_word_lies_in(
    rows: tuple[tuple[str, float, float], ...],
    speech: tuple[tuple[float, float], ...],
    start: float,
    end: float,
) -> None:
    stretch = unheard(spoken(speech), words(*rows))
    assert stretch is not None
    assert [stretch.start, stretch.end] == pytest.approx([start, end])


@pytest.mark.parametrize(
    ("rows", "speech"),
    [
        (WORDS[:2], SPEECH[:1]),
        (((" Slow", 0.4, 2.2), (" words.", 2.2, 4.4)), ((0.4, 4.4),)),
        (WORDS, ((0.4, 1.8), (10.0, 11.5))),
    ],
    ids=["all of it has words", "slowly spoken", "a long pause"],
)
def test_ordinary_speech_is_decoded_once(
    rows: tuple[tuple[str, float, float], ...], speech: tuple[tuple[float, float], ...]
) -> None:
    assert unheard(spoken(speech), words(*rows)) is None


@pytest.mark.parametrize(
    "options", [DecodeOptions(listening=Listening(voice_activity=False)), DecodeOptions(task="translate")]
)
def test_nothing_is_known_without_voice_activity_or_of_a_translation(options: DecodeOptions) -> None:
    assert unheard(replace(spoken(), options=options), words(*WORDS)) is None
    assert unheard(spoken(), ()) is None, "nor without words: most likely times were not wanted"


def test_the_stretch_alone_lies_where_it_lay_in_the_recording() -> None:
    half = 6 * SAMPLE_RATE
    pieces = (Piece(0, 0, half), Piece(60 * SAMPLE_RATE, half, half))
    window = replace(spoken(), samples=np.arange(2 * half, dtype=np.float32), pieces=pieces)
    part = alone(window, Unheard(2.0, 9.0, 2, 4), "de")
    assert len(part.samples) == 7 * SAMPLE_RATE
    assert part.samples[0] == 2 * SAMPLE_RATE
    assert part.pieces == (
        Piece(2 * SAMPLE_RATE, 0, 4 * SAMPLE_RATE),
        Piece(60 * SAMPLE_RATE, 4 * SAMPLE_RATE, 3 * SAMPLE_RATE),
    )
    [span] = part.speech
    assert list(span) == pytest.approx([0.4, 7.0])
    assert part.options.language == "de"


def test_what_is_heard_comes_before_the_words_that_had_its_time() -> None:
    window, first = spoken(), result(*WORDS)
    stretch = unheard(window, first.words)
    assert stretch is not None
    whole = with_heard(first, stretch, result((" Go,", 0.3, 3.0), (" go!", 3.0, 7.0)))
    assert whole.text == " Leaves seven. Go, go! The meeting ends."
    assert [round(word.start, 1) for word in whole.words] == [0.4, 1.2, 2.4, 5.1, 10.0, 10.2, 10.4]
    assert len(whole.tokens) == len(whole.words) == len(whole.word_tokens)


def test_a_guess_is_not_taken_and_yet_the_words_move_to_where_they_are_said() -> None:
    window, first = spoken(), result(*WORDS)
    stretch = unheard(window, first.words)
    assert stretch is not None
    for poor in (result((" Thanks", 0.3, 3.0), logprob=-1.5), result()):
        kept = with_heard(first, stretch, poor)
        assert (kept.text, kept.tokens) == (first.text, first.tokens)
        assert [round(word.start, 1) for word in kept.words] == [0.4, 1.2, 10.0, 10.2, 10.4]


def test_without_a_pause_what_is_heard_takes_the_words_place_if_it_is_more() -> None:
    window = spoken(((0.4, 11.5),))
    first = result(*WORDS)
    stretch = unheard(window, first.words)
    assert stretch is not None
    assert stretch.begins is None
    more = with_heard(first, stretch, result((" Go,", 0.3, 3.0), (" the", 3.0, 8.0), (" meeting", 8.0, 8.5)))
    assert more.text == " Leaves seven. Go, the meeting ends."
    assert with_heard(first, stretch, result((" The", 0.3, 3.0), (" meeting", 3.0, 8.0))) == first
