"""A token's log probability, and the bytes it stands for."""

from __future__ import annotations

import pytest

from engines.text.logprobs import logprobs_of, slices, spelled_bytes
from engines.text.segments import segments_of
from engines.text.words import TimedToken
from engines.transcript import TokenLogprob, Word
from tests.unit.factories import make_result, make_window


def test_it_is_the_natural_logarithm() -> None:
    rows = ((b" a", 1.0), ("ö".encode()[:1], 0.5), (b"", 0.0))
    tokens = [TimedToken(1, text, 0, 1, probability) for text, probability in rows]
    assert logprobs_of(tokens) == (
        TokenLogprob((32, 97), 0.0), TokenLogprob((195,), -0.6931), TokenLogprob((), -27.631),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("token", "text"), [("ĠHello", b" Hello"), ("Ã¶", "ö".encode()), ("Ċ", b"\n"), ("!", b"!"), ("", b"")]
)
def test_gpt2_spells_bytes_as_printable_characters(token: str, text: bytes) -> None:
    assert spelled_bytes(token) == text


def test_each_word_has_those_of_its_own_tokens() -> None:
    known = [TokenLogprob((at,), -float(at)) for at in range(4)]
    assert slices(known, [1, 0, 3]) == [(known[0],), (), tuple(known[1:])]
    assert slices(known[:3], [1, 3]) == slices([], [1, 3]) == [(), ()]


def test_a_segment_has_those_of_its_own_tokens() -> None:
    known = tuple(TokenLogprob((at,), -float(at)) for at in range(4))
    words = (Word(" One.", 0.0, 1.0, 0.9), Word(" Two", 3.0, 4.0, 0.9), Word(" three.", 4.0, 5.0, 0.9))
    result = make_result(
        " One. Two three.", words=words, word_tokens=((1,), (2, 3), (4,)), tokens=(1, 2, 3, 4), logprobs=known
    )
    first, second = segments_of(make_window(seconds=5), result, 0, 0.0)
    assert (first.tokens, first.logprobs) == ((1,), known[:1])
    assert (second.tokens, second.logprobs) == ((2, 3, 4), known[1:])
