"""Segments are cut where people breathe; their times never run backwards and their text is the window's."""

from __future__ import annotations

import itertools
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.base import SAMPLE_RATE, Piece, Window, WindowResult
from engines.text.segments import BREATH, LONG, MAX_SECONDS, compression_ratio, segments_of
from engines.transcript import Segment, Word
from tests.unit.factories import make_result, make_window, make_words

few = settings(max_examples=30, deadline=None)


def heard(words: tuple[Word, ...], **changes: Any) -> WindowResult:
    tokens = tuple((10 * at, 10 * at + 1) for at in range(len(words)))
    return make_result(
        "".join(word.text for word in words),
        words=words,
        word_tokens=tokens,
        tokens=tuple(token for pair in tokens for token in pair),
        **changes,
    )


def cut(*texts: str, each: float = 0.4) -> list[str]:
    """The texts of the segments of words that follow each other."""
    found = segments_of(make_window(seconds=30), heard(make_words(*texts, each=each)), 0, 0.0)
    return [segment.text for segment in found]


def spans(seconds: int) -> st.SearchStrategy[tuple[tuple[float, float], ...]]:
    """Where somebody speaks in a window of so many seconds."""
    edges = st.lists(st.integers(0, 10 * seconds), unique=True, max_size=8).map(sorted)
    return edges.map(lambda found: tuple((a / 10, b / 10) for a, b in zip(found[::2], found[1::2], strict=False)))


@st.composite
def results(draw: st.DrawFn) -> tuple[Window, WindowResult]:
    """A window in two pieces and words as an aligner may give them: in order, but overlapping and out of bounds."""
    gap = draw(st.integers(0, 100))
    seconds = draw(st.integers(2, 28))
    samples = seconds * SAMPLE_RATE // 2
    window = make_window(seconds=seconds, start=draw(st.integers(0, 100)))
    first = Piece(window.pieces[0].source, 0, samples)
    second = Piece(first.source + samples + gap * SAMPLE_RATE, samples, samples)
    window = Window(0, window.samples, (first, second), window.options, draw(spans(seconds)))
    texts = draw(st.lists(st.sampled_from([" so", " we", " end.", " and,", " why?", '."', " 東京。"]), max_size=40))
    starts = sorted(draw(st.lists(st.floats(0, seconds + 1), min_size=len(texts), max_size=len(texts))))
    lengths = draw(st.lists(st.floats(0, 3), min_size=len(texts), max_size=len(texts)))
    placed = zip(texts, starts, lengths, strict=True)
    return window, heard(tuple(Word(text, start, start + length, 0.9) for text, start, length in placed))


def test_no_cue_shows_for_no_time() -> None:
    """What the model goes on saying when the sound has ended is aligned to the window's last moment."""
    said = make_words(" Good", " morning.", each=1.0)
    more = tuple(Word(text, 2.0, 2.0, 0.1) for text in (" Thank", " you.", " Thank", " you."))
    (segment,) = segments_of(make_window(seconds=2), heard((*said, *more)), 0, 0.0)
    assert (segment.start, segment.end) == (0.0, 2.0)
    assert segment.text == " Good morning. Thank you. Thank you."
    assert len(segment.tokens) == 12


@few
@given(results(), st.floats(0, 200))
def test_times_are_in_order_and_inside_the_window(case: tuple[Window, WindowResult], not_before: float) -> None:
    window, result = case
    edges = [min(not_before, window.end)]
    for segment in segments_of(window, result, 0, not_before):
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
        for word in segment.words:
            edges += [word.start, word.end]
    assert all(before <= after + 0.0005 for before, after in itertools.pairwise(edges))
    assert all(window.start <= edge <= window.end for edge in edges[1:])


@few
@given(results(), st.integers(0, 1000))
def test_nothing_of_the_text_is_lost_or_doubled(case: tuple[Window, WindowResult], first_id: int) -> None:
    window, result = case
    found = segments_of(window, result, first_id, 0.0)
    assert "".join(segment.text for segment in found) == result.text
    assert [segment.id for segment in found] == list(range(first_id, first_id + len(found)))
    assert tuple(token for segment in found for token in segment.tokens) == result.tokens
    for segment in found:
        assert segment.text == "".join(word.text for word in segment.words)
        assert segment.compression_ratio == compression_ratio(segment.text)


@pytest.mark.parametrize("end", [".", "?", "!", "。", "？", "…", "؟", '."', ".”", "?)"])
def test_a_sentence_ends_its_segment(end: str) -> None:
    assert cut(" One", f" two{end}", " Three") == [f" One two{end}", " Three"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "en",
            " Yesterday, Dr. Smith met Mr. Jones and Mrs. Brown at 9.30 a.m. in the U.S. Embassy on St. James Street.",
        ),
        ("en", " Our guest is Martin Luther King Jr. III who lives at no. 5 St. George's Road."),
        ("de", " Am 3. März kam Dr. Müller z. B. um 9.30 Uhr."),
        ("de", " Das ist der 2. Versuch."),
        ("fr", " M. Dupont et Mme. Martin sont là."),
        ("es", " El Sr. García llegó a las 5 p.m. ayer."),
        ("pl", " Dr. Kowalski przyszedł o godz. 9."),
        ("ru", " Это г. Москва, ул. Ленина."),  # noqa: RUF001 - Russian
        ("ar", " نعم، د. أحمد هنا."),
    ],
)
def test_a_point_that_ends_no_sentence_ends_no_segment(language: str, text: str) -> None:
    words = [f" {word}" for word in text.split()]
    sentences = (*words, " Und", " so", " weiter.")
    timed = tuple(
        Word(word, 0.3 * at + (at >= len(words)) * 0.5, 0.3 * at + 0.3 + (at >= len(words)) * 0.5, 0.9)
        for at, word in enumerate(sentences)
    )
    found = segments_of(make_window(seconds=30), heard(timed, language=language), 0, 0.0)
    assert found[-1].text == " Und so weiter."
    assert not [segment.text for segment in found[:-2] if segment.text.endswith(".")]


def test_a_comma_does_not() -> None:
    assert cut(" One,", " two") == [" One, two"]


def test_a_breath_ends_a_segment() -> None:
    words = (Word(" one", 0.0, 1.0, 0.9), Word(" two", 1.0 + BREATH + 0.05, 3.0, 0.9), Word(" three", 3.5, 4.0, 0.9))
    found = segments_of(make_window(seconds=5), heard(words), 0, 0.0)
    assert [segment.text for segment in found] == [" one", " two three"]


def test_a_long_segment_ends_at_a_comma_and_a_longer_one_at_any_word() -> None:
    assert cut(*[" a"] * 15, " b,", " c", each=0.4) == [" a" * 15 + " b,", " c"]
    assert LONG < 16 * 0.4
    pieces = cut(*[" word"] * 60, each=0.4)
    assert all(len(text.split()) * 0.4 <= MAX_SECONDS + 0.4 for text in pieces)


def test_without_words_the_window_is_one_segment() -> None:
    window = make_window(seconds=5, start=12.5)
    (segment,) = segments_of(window, make_result(" Two. Sentences."), 7, 0.0)
    assert segment == Segment(
        id=7,
        start=12.5,
        end=17.5,
        text=" Two. Sentences.",
        tokens=(1, 2, 3),
        seek=1250,
        temperature=0.0,
        avg_logprob=-0.2,
        compression_ratio=compression_ratio(" Two. Sentences."),
        no_speech_prob=0.01,
    )


@pytest.mark.parametrize("text", ["", "  "])
def test_a_window_without_text_gives_no_segment(text: str) -> None:
    assert segments_of(make_window(), make_result(text), 0, 0.0) == []


def test_numbers_of_the_window_are_given_on() -> None:
    result = heard(make_words(" Hi."), temperature=0.4, avg_logprob=-0.7, no_speech_prob=0.2)
    (segment,) = segments_of(make_window(seconds=3, start=2), result, 0, 0.0)
    assert (segment.temperature, segment.avg_logprob, segment.no_speech_prob, segment.seek) == (0.4, -0.7, 0.2, 200)


def test_the_compression_ratio_is_whispers() -> None:
    text = "la la la la la la la la"
    assert compression_ratio(f" {text} ") == len(text) / len(zlib.compress(text.encode()))
    assert compression_ratio("") == 0.0
