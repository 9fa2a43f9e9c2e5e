"""Names of speakers: one line that people can read, in subtitles as in tables."""

from __future__ import annotations

import unicodedata

MAX_NAME = 100  # characters

_REFUSED = ("Cc", "Cs", "Zl", "Zp")  # categories: control characters, half surrogates, line breaks
_JOINERS = "\u200c\u200d"  # within a word Persian, Indian scripts and emoji are spelled with them
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"  # called letters or symbols, and nothing to see


def check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names that a request gives; raises ValueError, which says what is wrong with them."""
    checked = tuple(check_name(name) for name in names)
    if twice := next((name for name in checked if checked.count(name) > 1), None):
        raise ValueError(f"has '{twice}' twice: each name is of one person")
    return checked


def check_name(name: str) -> str:
    """The name in NFC, without space around it, and without signs that have no shape: those that turn text around or
    hide in it, which come along when a name is copied, let one name pass for another. Raises ValueError."""
    if any(unicodedata.category(sign) in _REFUSED or _is_no_character(sign) for sign in name.strip()):
        raise ValueError("has a name with a line break or another control character")
    kept = unicodedata.normalize("NFC", "".join(sign for sign in name if _has_shape(sign))).strip()
    kept = kept.strip(_JOINERS).strip()
    if not 0 < len(kept) <= MAX_NAME or not any(_is_seen(sign) for sign in kept):
        raise ValueError(f"has a name that is empty or longer than {MAX_NAME} characters")
    return kept


def _has_shape(sign: str) -> bool:
    return sign in _JOINERS or unicodedata.category(sign) != "Cf"


def _is_seen(sign: str) -> bool:
    return sign not in _BLANK and unicodedata.category(sign)[0] in "LNPS"


def _is_no_character(sign: str) -> bool:
    """Whether Unicode keeps it free of any meaning, as U+FFFE."""
    return ord(sign) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(sign) <= 0xFDEF
