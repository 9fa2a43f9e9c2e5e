"""Words keep their times if they stay, and the others share what is left: nothing moves that nobody touched."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.transcript import Segment, TokenLogprob, Word
from tests.unit.factories import make_segment, make_words
from worker.store.edits.alignment import aligned, units


def segment(*words: str, start: float = 10.0, each: float = 1.0, pause: float = 0.0) -> Segment:
    """Words of a second, with so many seconds before, between and behind them."""
    said = tuple(
        Word(text, start + pause + number * (each + pause), start + (number + 1) * (each + pause), 0.6)
        for number, text in enumerate(words)
    )
    end = said[-1].end + pause if said else start + 1.0
    return replace(make_segment(3, start, end, "".join(words)), words=said)


def times(found: Segment) -> dict[str, tuple[float, float]]:
    return {word.text.strip(): (word.start, word.end) for word in found.words}


def test_of_a_text_too_long_to_compare_the_ends_keep_their_times() -> None:
    said = segment(*(f" w{number}" for number in range(100)))
    found = aligned(said, "w0 w1 " + "a w50 " * 2500 + "w98 w99")
    assert [(word.start, word.end) for word in found.words[:2]] == [(10.0, 11.0), (11.0, 12.0)]
    assert [(word.start, word.end) for word in found.words[-2:]] == [(108.0, 109.0), (109.0, 110.0)]
    assert (found.words[2].start, found.words[-3].end) == (12.0, 108.0)
    assert {word.probability for word in found.words[2:-2]} == {1.0}


def test_the_example() -> None:
    said = segment(" Good", " mourning", " and", " well", " come", " to")
    found = aligned(said, "Good morning and welcome back to")
    assert found.text == " Good morning and welcome back to"
    assert times(found) == {
        "Good": (10.0, 11.0),
        "morning": (11.0, 12.0),
        "and": (12.0, 13.0),
        "welcome": (13.0, 14.273),  # 7 of 11 letters of two seconds
        "back": (14.273, 15.0),
        "to": (15.0, 16.0),
    }
    assert (found.start, found.end, found.id) == (said.start, said.end, said.id)


def test_what_stays_keeps_how_sure_the_model_was_and_what_a_person_wrote_is_sure() -> None:
    found = aligned(segment(" Good", " mourning"), "Good morning")
    assert [word.probability for word in found.words] == [0.6, 1.0]


@pytest.mark.parametrize("text", ["hello, anna!", "HELLO ANNA", "“Hello” — Anna", "Hello, Anna."])
def test_case_and_marks_make_no_other_word(text: str) -> None:
    said = segment(" Hello", " Anna", pause=0.5)
    found = aligned(said, text)
    kept = [word for word in found.words if word.text.strip() != "—"]
    assert [(word.start, word.end) for word in kept] == [(word.start, word.end) for word in said.words]


def test_what_is_inserted_shares_the_gap_it_stands_in() -> None:
    said = segment(" one", " four", start=0.0, pause=1.0)  # from 1 to 2, from 3 to 4, and a second behind
    assert times(aligned(said, "zero one two threee four five")) == {
        "zero": (0.0, 1.0), "one": (1.0, 2.0), "two": (2.0, 2.333), "threee": (2.333, 3.0), "four": (3.0, 4.0),
        "five": (4.0, 5.0),
    }  # fmt: skip


def test_between_words_without_a_pause_there_is_no_time() -> None:
    found = aligned(segment(" one", " three"), "one two three")
    assert times(found) == {"one": (10.0, 11.0), "two": (11.0, 11.0), "three": (11.0, 12.0)}


def test_what_is_left_out_leaves_a_pause() -> None:
    assert times(aligned(segment(" one", " two", " three"), "one three")) == {
        "one": (10.0, 11.0),
        "three": (12.0, 13.0),
    }


def test_all_text_may_go() -> None:
    found = aligned(segment(" one", " two"), "")
    assert (found.text, found.words, found.start) == ("", (), 10.0)


def test_signs_of_scripts_without_spaces_are_words_of_their_own() -> None:
    said = segment("今日", "は", "良い", "天気", "です", "。", each=2.0)
    found = aligned(said, "今日は悪い天気です。")
    assert found.text == "今日は悪い天気です。"
    assert "".join(word.text for word in found.words) == found.text
    assert [(word.text, word.start, word.end) for word in found.words] == [
        ("今", 10.0, 11.0), ("日", 11.0, 12.0), ("は", 12.0, 14.0), ("悪", 14.0, 15.0), ("い", 15.0, 16.0),
        ("天", 16.0, 17.0), ("気", 17.0, 18.0), ("で", 18.0, 19.0), ("す。", 19.0, 20.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (" Hello there.", [" Hello", " there."]),
        ("ABC株式会社 is", ["ABC", "株", "式", "会", "社", " is"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("café naïve", ["café", " naïve"]),
        ("e\u0301t\u00e9", ["e\u0301t\u00e9"]),
        ("  two   spaces", ["  two", "   spaces"]),
        ("안녕 하세요", ["안녕", " 하세요"]),
        ("— and", ["—", " and"]),
        ("", []),
        ("。", ["。"]),
    ],
)
def test_text_in_units(text: str, parts: list[str]) -> None:
    assert units(text) == parts


def test_tokens_are_those_of_another_text_and_left_out() -> None:
    said = replace(segment(" one"), tokens=(1, 2), logprobs=(TokenLogprob((1,), -0.1),))
    found = aligned(said, "two")
    assert (found.tokens, found.logprobs) == ((), ())


def test_a_segment_without_words_has_none_afterwards() -> None:
    found = aligned(replace(segment(" one"), words=()), "two three")
    assert (found.text, found.words) == (" two three", ())


def test_who_speaks_is_kept() -> None:
    said = segment(" Yes", " no")
    said = replace(said, words=(replace(said.words[0], speaker="A"), replace(said.words[1], speaker="B")))
    found = aligned(said, "Yes indeed not")
    assert [(word.text, word.speaker) for word in found.words] == [(" Yes", "A"), (" indeed", "B"), (" not", "B")]


@given(st.text(alphabet="ab .,é今日ั", max_size=40), st.text(alphabet="ab .,é今日ั", max_size=40))
def test_whatever_is_written_the_words_are_the_text_and_in_order(before: str, after: str) -> None:
    said = replace(segment(), text=before, words=make_words(*units(before)), end=40.0, start=0.0)
    found = aligned(said, after.strip())
    if said.words:
        assert "".join(word.text for word in found.words) == found.text
    assert found.text.strip() == after.strip()
    moments = [moment for word in found.words for moment in (word.start, word.end)]
    assert moments == sorted(moments)


def test_a_long_segment_takes_no_time_to_speak_of() -> None:
    said = segment(*(f" word{number}" for number in range(200)))
    began = time.process_time()
    aligned(said, " ".join(f"word{number * 7 % 400}" for number in range(400)))
    assert time.process_time() - began < 2
