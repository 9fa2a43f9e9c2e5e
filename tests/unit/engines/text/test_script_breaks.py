"""Text breaks where its script breaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.text.script_breaks import break_numbers, chunks
from tests.unit.factories import make_words


@pytest.mark.parametrize(
    ("language", "text", "pieces"),
    [
        ("en", "One  two, three.", ["One", " ", " two,", " three."]),
        ("ja", "今日は天気です。", ["今日は", "天気です。"]),
        ("zh", "我们去公园散步吧！", ["我们", "去", "公园", "散步", "吧！"]),
        ("th", "วันนี้อากาศดี", ["วัน", "นี้", "อากาศ", "ดี"]),
        ("th", "แจ้งว่าชิ้นส่วนจะมา", ["แจ้ง", "ว่า", "ชิ้น", "ส่วน", "จะ", "มา"]),
        ("ja", "Hello world", ["Hello", " world"]),
        ("de", "", []),
    ],
)
def test_a_line_breaks_between_words(language: str, text: str, pieces: list[str]) -> None:
    assert chunks(text, language) == pieces


@pytest.mark.parametrize("language", ["en", "ja", "zh", "yue", "th", "lo"])
@given(text=st.text(st.sampled_from("ab 今日は。สวั, ."), max_size=60))
def test_chunks_are_the_text(language: str, text: str) -> None:
    assert "".join(chunks(text, language)) == text


def test_words_that_are_parts_of_a_longer_one_are_not_parted() -> None:
    assert break_numbers(make_words("แจ้ง", "ว่า", "ช", "ิ้น", "ส่วน"), "th") == {1, 2, 4, 5}
    assert break_numbers(make_words("今", "日は", "天気", "です。"), "ja") == {2, 4}
    assert break_numbers(make_words(" One", " two", "-three"), "en") == {1, 3}
