"""Text laid out in lines of a width."""

from __future__ import annotations

import unicodedata
from functools import cache

from engines.text.script_breaks import LEADING, PARSERS, chunks, continues


def columns(text: str) -> int:
    """How wide the text is: Chinese and Japanese signs take two columns, combining marks none."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


@cache
def _columns_of(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in ("W", "F") else 1


def line_count(text: str, language: str, width: int) -> int:
    """How many lines of at most `width` columns the text needs."""
    text = text.strip()
    return min(len(text), 1) if columns(text) <= width else len(_filled(_pieces(text, language, width), width))


def _pieces(text: str, language: str, width: int) -> list[str]:
    """What a line is filled with: in scripts without spaces a piece that fits no line is taken sign by sign."""
    pieces = chunks(text, language)
    if language not in PARSERS:
        return pieces
    return [part for piece in pieces for part in (_signs(piece) if columns(piece.strip()) > width else [piece])]


def _signs(piece: str) -> list[str]:
    """Each with the marks that belong to it; what is written in Latin letters stays whole."""
    parts: list[str] = []
    for sign in piece:
        is_one = parts and (_columns_of(sign) == 0 or continues(sign) or parts[-1][-1] in LEADING)
        if is_one or (parts and sign.isascii() and parts[-1].strip().isascii()):
            parts[-1] += sign
        else:
            parts.append(sign)
    return parts


def wrapped(text: str, language: str, width: int) -> list[str]:
    """The text in the fewest lines of at most `width` columns, as even as can be. A wider piece stands alone."""
    text = text.strip()
    count = line_count(text, language, width)
    if count <= 1:
        return [text] * count
    pieces = _pieces(text, language, width)
    low, high = columns(text) // count, width
    while low < high:  # the narrowest width that needs no more lines
        middle = (low + high) // 2
        if len(_filled(pieces, middle)) <= count:
            high = middle
        else:
            low = middle + 1
    return _filled(pieces, high)


def _filled(pieces: list[str], width: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for piece in pieces:
        if line and columns((line + piece).strip()) > width:
            lines.append(line.strip())
            line = ""
        line += piece
    return [*lines, line.strip()] if line.strip() else lines
