"""Matroska's numbers."""

from __future__ import annotations


def ebml_size(data: bytes, at: int) -> tuple[int, int]:
    """How many bytes a size has, and what it says: all ones if nobody knew it. No byte at the end of the data, 9 if it
    is none. Source: RFC 8794, 4."""
    if at >= len(data):
        return 0, 0
    width = 9 - data[at].bit_length()
    return width, int.from_bytes(data[at : at + width]) & ((1 << 7 * width) - 1)
