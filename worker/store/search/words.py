"""Text as it is searched: small letters without accents, words parted by single spaces.

In scripts that put none between words each sign is a word, and a word that is looked for is a row of them; so one finds
with the same means a word by its beginning, and any part of a Chinese text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from engines.text.unspaced import is_unspaced

MAX_WORDS = 10  # of a query; more are not looked for
_ACCENTS = dict.fromkeys(range(768, 880))
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe"})


def searchable(text: str) -> str:
    """With a space before the first word and behind the last; empty if there is none."""
    found = "".join(_spaced(_folded(text))).split()
    return f" {' '.join(found)} " if found else ""


def wanted(query: str) -> tuple[str, ...]:
    """What has to be found of a query, each as `searchable` has it, without the space behind it."""
    words = dict.fromkeys(searchable(word).rstrip() for word in query.split())
    return tuple(word for word in words if word)[:MAX_WORDS]


def matches(body: str, words: tuple[str, ...]) -> bool:
    """body: searchable text. words: see `wanted`; each has to begin somewhere in it."""
    return all(word in body for word in words)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold()).translate(_ACCENTS)
    return unicodedata.normalize("NFC", plain).translate(_LETTERS)


def _spaced(text: str) -> Iterator[str]:
    is_alone = False  # whether the sign before was a word of its own
    for sign in text:
        kind = unicodedata.category(sign)[0]
        if kind == "M":
            yield sign
            continue
        was_alone, is_alone = is_alone, is_unspaced(sign)
        yield " " if kind not in "LN" else f" {sign}" if was_alone or is_alone else sign
