"""Words are put together from tokens so that nothing of the text is lost, in languages with spaces and without."""

from __future__ import annotations

import pytest

from engines.text.words import TimedToken, text_of, words_of


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
