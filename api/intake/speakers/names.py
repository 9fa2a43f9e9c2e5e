"""Names of speakers: one line that people can read, in subtitles as in tables."""

from __future__ import annotations

import unicodedata

MAX_NAME = 100  # characters


def check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names that a request gives; raises ValueError, which says what is wrong with them."""
    checked = tuple(check_name(name) for name in names)
    if twice := next((name for name in checked if checked.count(name) > 1), None):
        raise ValueError(f"has '{twice}' twice: each name is of one person")
    return checked


def check_name(name: str) -> str:
    """The name in NFC, without space around it. Raises ValueError."""
    kept = unicodedata.normalize("NFC", name).strip()
    if not 0 < len(kept) <= MAX_NAME:
        raise ValueError(f"has a name that is empty or longer than {MAX_NAME} characters")
    if any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in kept):
        raise ValueError("has a name with a line break or another control character")
    return kept
