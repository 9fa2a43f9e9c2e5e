"""Where text may break, script by script: at spaces, and by budoux in scripts that put none between words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

import budoux

from engines.transcript import Word

FOLLOWING = "ะาำๅๆฯະາຳໆຯ"  # Thai and Lao: letters by class, but never the first of anything
LEADING = "เแโใไເແໂໃໄ"  # written before the consonant that they are spoken after
PARSERS = {  # of the languages whose script puts no spaces between words
    "ja": budoux.load_default_japanese_parser,
    "zh": budoux.load_default_simplified_chinese_parser,
    "yue": budoux.load_default_traditional_chinese_parser,
    "th": budoux.load_default_thai_parser,
}


@cache
def _parser(language: str) -> budoux.Parser:
    return PARSERS[language]()


def chunks(text: str, language: str) -> list[str]:
    """The text in pieces between which a line may break; together they are the text."""
    pieces: list[str] = []
    for word in _spaced(text):
        pieces += _parser(language).parse(word) if language in PARSERS and not word.isascii() else [word]
    return pieces


def break_numbers(words: Sequence[Word], language: str) -> set[int]:
    """Between which words the script breaks, as the numbers of those that come after: a word of ours may be a single
    sign of a longer one, or a mark that is written on the sign before."""
    ends, at = set(), 0
    for chunk in chunks("".join(word.text for word in words), language):
        at += len(chunk)
        ends.add(at)
    found, at = set(), 0
    for number, word in enumerate(words, start=1):
        at += len(word.text)
        if at in ends or (words[number : number + 1] and words[number].text.startswith(" ")):
            found.add(number)
    return found


def continues(sign: str) -> bool:
    """Whether a character belongs to the one before it: a combining mark, or a vowel that follows."""
    return unicodedata.category(sign)[0] == "M" or sign in FOLLOWING


def _spaced(text: str) -> list[str]:
    """Words, each with the space before it."""
    first, *others = text.split(" ")
    return [word for word in (first, *(f" {other}" for other in others)) if word]
