"""Words are put together from tokens so that nothing of the text is lost, in languages with spaces and without."""

from __future__ import annotations

import pytest

from engines.text.words import TimedToken, text_of, with_whole_signs, words_of
from engines.transcript import Word


def tokens(*texts: str | bytes) -> list[TimedToken]:
    """One token a second, the first with probability 1, each less sure than the one before."""
    return [
        TimedToken(at, text.encode() if isinstance(text, str) else text, float(at), at + 1.0, 1 / (at + 1))
        for at, text in enumerate(texts)
    ]


WORDS: dict[str, tuple[list[str | bytes], str, list[str]]] = {
    "spaces begin words": ([" The", " train", "s"], "en", [" The", " trains"]),
    "the first needs none": (["The", " train"], "en", ["The", " train"]),
    "closing marks belong to the word before": ([" Yes", ",", " please", "."], "en", [" Yes,", " please."]),
    "opening marks belong to the word after": ([" He", " (", "she", ")", " left"], "en", [" He", " (she)", " left"]),
    "an apostrophe does not part a word": ([" don", "'t", " go"], "en", [" don't", " go"]),
    "a hyphen with a space stays alone in front": ([" -", " go"], "en", [" - go"]),
    "no spaces, a word a character": (["今天", "天气", "。"], "zh", ["今天", "天气。"]),
    "other languages without spaces too": (["ありがとう", "ございます"], "ja", ["ありがとう", "ございます"]),
    "characters are not torn": (["今".encode()[:2], "今".encode()[2:], "天"], "zh", ["今", "天"]),
    "nothing": ([], "en", []),
}


@pytest.mark.parametrize("case", WORDS)
def test_words_are_put_together(case: str) -> None:
    texts, language, expected = WORDS[case]
    given = tokens(*texts)
    words, ids = words_of(given, language)
    assert [word.text for word in words] == expected
    assert "".join(word.text for word in words) == text_of(given)
    assert [number for group in ids for number in group] == [token.id for token in given]


def test_a_character_cut_off_at_the_end_is_kept_as_what_it_is() -> None:
    words, _ = words_of(tokens(" yes", "天".encode()[:2]), "en")
    assert words[-1].text.endswith("\ufffd")


def test_a_word_has_its_letters_times_and_its_marks_none() -> None:
    (first, second), _ = words_of(tokens(" train", "s", ".", " Go"), "en")
    assert (first.text, first.start, first.end) == (" trains.", 0.0, 2.0)
    assert first.probability == pytest.approx((1 + 1 / 2) / 2)
    assert (second.start, second.end) == (3.0, 4.0)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["ส", "ัญ", "ส", "ั", "ญ"], ["สัญ", "สั", "ญ"]),  # a mark above the letter before it
        (["น", "้", "ำ", "ใจ"], ["น้ำ", "ใจ"]),  # two of them, the second a letter by class
        (["เ", "มือง"], ["เมือง"]),  # written before the consonant that it follows in speech
        ([" كت", "\u064eب", " بيت"], [" كت\u064eب", " بيت"]),
        (["か", "\u3099", "く"], ["か\u3099", "く"]),
        ([" one", " two"], [" one", " two"]),
        ([], []),
    ],
)
def test_no_word_begins_or_ends_within_a_sign(parts: list[str], whole: list[str]) -> None:
    given = [Word(text, float(at), at + 1.0, 1 / (at + 1)) for at, text in enumerate(parts)]
    words, ids = with_whole_signs(given, [(at,) for at in range(len(parts))])
    assert [word.text for word in words] == whole
    assert [number for group in ids for number in group] == list(range(len(parts)))
    assert [word.start for word in words] == [group[0] for group in ids]
    assert [word.end for word in words] == [group[-1] + 1 for group in ids]
    for word, group in zip(words, ids, strict=True):
        assert word.probability == pytest.approx(sum(1 / (at + 1) for at in group) / len(group))
