"""Scripts that put no spaces between words, by sign."""

from __future__ import annotations

_RANGES = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF),  # Thai and Lao, Burmese, Khmer
    (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF),  # Japanese and Chinese
    (0x20000, 0x3FFFF),
)  # fmt: skip


def is_unspaced(sign: str) -> bool:
    """Whether the sign may be a word of its own."""
    return any(first <= ord(sign) <= last for first, last in _RANGES)
