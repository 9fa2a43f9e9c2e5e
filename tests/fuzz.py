"""Damaged files by the seed: a container with bytes changed, cut, doubled, or with headers that lie."""

from __future__ import annotations

import random
from collections.abc import Callable

INTERESTING = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
_HEADER = 512  # bytes in which a container says what it is


def mutated(data: bytes, seed: int) -> bytes:
    """The same for a seed: one to six changes of different kinds."""
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        if len(changed) > 16:
            chance.choice(_CHANGES)(changed, chance)
    return bytes(changed)


def _place(data: bytearray, chance: random.Random) -> int:
    """Half of all changes lie in the header or, since some containers have their index there, at the end."""
    spot = chance.random()
    if spot < 0.4:
        return chance.randrange(min(_HEADER, len(data)))
    return len(data) - 1 - chance.randrange(min(_HEADER, len(data))) if spot < 0.5 else chance.randrange(len(data))


def _flip(data: bytearray, chance: random.Random) -> None:
    data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    size = chance.choice((1, 2, 4, 8))
    data[at : at + size] = bytes([chance.choice(INTERESTING)]) * len(data[at : at + size])


def _cut(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    del data[at : at + chance.randint(1, max(1, len(data) // 4))]


def _double(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    piece = data[at : at + chance.randint(1, 4096)]
    to = _place(data, chance)
    data[to:to] = piece


def _noise(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    size = min(chance.randint(1, 256), len(data) - at)
    data[at : at + size] = chance.randbytes(size)


def _end(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _flip,
    _set,
    _set,
    _cut,
    _double,
    _noise,
    _end,
)
