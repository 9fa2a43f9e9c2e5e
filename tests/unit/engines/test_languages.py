"""A language is known by whatever phones, browsers and people call it."""

from __future__ import annotations

import pytest

from engines.languages import LANGUAGES, language_code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("EN", "en"), (" German ", "de"), ("haitian creole", "ht"), ("Flemish", "nl"),
        ("en-US", "en"), ("pt_BR", "pt"), ("zh-Hant", "zh"), ("zh-Hans-CN", "zh"), ("sr-Latn-RS", "sr"),
        ("yue-HK", "yue"), ("haw-US", "haw"), ("es-419", "es"),
        ("iw", "he"), ("iw-IL", "he"), ("nb", "no"), ("nb-NO", "no"), ("fil-PH", "tl"), ("in", "id"), ("jv", "jw"),
    ],
)  # fmt: skip
def test_it_is_found(text: str, code: str) -> None:
    assert language_code(text) == code


@pytest.mark.parametrize("text", ["", "klingon", "e", "xx-US", "en-", "-US", "english-US", "en US", "en-a b"])
def test_what_is_none_is_not(text: str) -> None:
    assert language_code(text) is None


def test_every_name_stands_for_one_language() -> None:
    assert all(language_code(name) == code == language_code(code) for code, name in LANGUAGES.items())
