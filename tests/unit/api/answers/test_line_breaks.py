"""Lines are as wide as they look, few and even."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.answers.line_breaks import columns, wrapped


@pytest.mark.parametrize(
    ("text", "wide"), [("abc", 3), ("今日は", 6), ("สวัสดี", 4), ("نعم", 3), ("e\u0301", 1), ("", 0), ("！", 2)]
)
def test_a_sign_takes_as_many_columns_as_it_shows(text: str, wide: int) -> None:
    assert columns(text) == wide


def test_lines_are_few_and_even() -> None:
    text = "Yesterday, Dr. Smith met Mr. Jones and Mrs. Brown at 9.30 a.m. in"
    assert wrapped(text, "en", 42) == ["Yesterday, Dr. Smith met Mr. Jones", "and Mrs. Brown at 9.30 a.m. in"]
    assert wrapped(text, "en", 200) == [text]
    assert wrapped("  ", "en", 42) == []


def test_a_word_that_is_wider_than_a_line_stands_alone() -> None:
    assert wrapped("a " + "b" * 50 + " c", "en", 42) == ["a", "b" * 50, "c"]


@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=40), st.integers(12, 60))
def test_no_line_is_too_wide_and_no_word_is_lost(words: list[str], width: int) -> None:
    lines = wrapped(" ".join(words), "en", width)
    assert " ".join(lines) == " ".join(words)
    assert all(len(line) <= width for line in lines)
