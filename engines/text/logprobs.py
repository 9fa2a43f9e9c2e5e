"""How sure the model was of each token."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate

from engines.text.words import TimedToken
from engines.transcript import TokenLogprob

_LEAST = 1e-12  # a probability that was rounded to 0 has a logarithm all the same


def logprobs_of(tokens: Iterable[TimedToken]) -> tuple[TokenLogprob, ...]:
    return tuple(token_logprob(token.text, token.probability) for token in tokens)


def token_logprob(text: bytes, probability: float) -> TokenLogprob:
    return TokenLogprob(tuple(text), round(math.log(min(max(probability, _LEAST), 1.0)), 4))


def slices(logprobs: Sequence[TokenLogprob], lengths: Iterable[int]) -> list[tuple[TokenLogprob, ...]]:
    """Those of each stretch of so many tokens. Nothing where there is not one for every token."""
    counts = list(lengths)
    if len(logprobs) != sum(counts):
        return [()] * len(counts)
    return [tuple(logprobs[end - count : end]) for end, count in zip(accumulate(counts), counts, strict=True)]


def spelled_bytes(token: str) -> bytes:
    """The bytes of a token as GPT-2's vocabulary spells them: each as one printable character."""
    return bytes(_spelling()[character] for character in token)


@cache
def _spelling() -> dict[str, int]:
    """openai/gpt-2, encoder.py, `bytes_to_unicode`, the other way round."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    spelled = {chr(byte): byte for byte in printable}
    return spelled | {chr(0x100 + at): byte for at, byte in enumerate(others)}
