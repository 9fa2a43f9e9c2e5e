"""Where sentences end, in any language: by sentencex, and by what it cannot know, the pauses between the words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sentencex

from engines.transcript import Word

ENDS = ("?", "!", "。", "？", "！", "…", "...", "।", "؟")  # nothing is abbreviated with them
CLOSING = "\"'”’»)]」』"
STOP = 0.25  # seconds of silence that make an end of what may be an abbreviation or an ordinal ("3. März")
MAX_ABBREVIATION = 4  # letters
VOWELS = "aeiouyäöüáéíóúàèìòùâêîôû\u0430\u0435\u0438\u043e\u0443\u044b\u044d\u044e\u044f"  # Latin and Cyrillic
TITLES = {"mme", "mlle", "sra", "dra", "sig", "dott", "mevr", "ing", "godz"}  # sentencex does not know them all


def sentence_ends(words: Sequence[Word], language: str) -> set[int]:
    """The numbers of the words that end a sentence, but for the last word. language: ISO 639-1."""
    return {at for at in (*_by_library(words, language), *_by_mark(words)) if not _may_go_on(words[at], words[at + 1])}


def _by_library(words: Sequence[Word], language: str) -> Iterator[int]:
    numbers, length = {}, 0  # the length of the text up to each word's end -> the word's number
    for number, word in enumerate(words[:-1]):
        numbers[length + len(word.text.rstrip())] = number
        length += len(word.text)
    at = 0
    for sentence in sentencex.segment(language, "".join(word.text for word in words)):
        end = at + len(sentence.rstrip())
        at += len(sentence)
        if end in numbers:
            yield numbers[end]


def _by_mark(words: Sequence[Word]) -> Iterator[int]:
    """sentencex leaves it to the reader if a mark that is followed by a bracket or a quotation mark ends a sentence."""
    for number, word in enumerate(words[:-1]):
        text = word.text.rstrip()
        bare = text.rstrip(CLOSING)
        if bare.endswith(ENDS) or (bare != text and bare.endswith(".")):
            yield number


def _may_go_on(word: Word, following: Word) -> bool:
    """Whether the sentence may go on after the word: "M. Dupont", "der 2. Versuch", "at 5 p.m. yesterday"."""
    if following.text.strip()[:1].islower():
        return True
    text = word.text.strip().rstrip(CLOSING)
    if not text.endswith(".") or text.endswith(".."):
        return False
    return _is_short(text.replace(".", "").lower()) and following.start - word.end < STOP


def _is_short(letters: str) -> bool:
    """Whether it looks like an abbreviation or an ordinal."""
    if len(letters) > MAX_ABBREVIATION:
        return False
    return len(letters) <= 1 or letters.isdigit() or letters in TITLES or not any(vowel in letters for vowel in VOWELS)
