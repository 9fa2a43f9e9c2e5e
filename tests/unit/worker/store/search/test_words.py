"""What is found by what: whatever the case and accents, by the beginning of a word, and any part of a Chinese text."""

from __future__ import annotations

import pytest

from worker.store.search.words import MAX_WORDS, matches, searchable, wanted


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Gespräch über Äpfel", "gesprach APFEL"),
        ("Cafe\u0301", "café"),
        ("Crème brûlée", "creme brul"),
        ("Łódź, Ørsted", "lodz orsted"),
        ("STRASSE", "straße"),
        ("Das Quartalsergebnis", "quartal"),
        ("weekly_2024-05-17.mp3", "2024-05 mp3"),
        ("weekly_2024-05-17.mp3", "05"),
        ("don't", "don"),
        ("東京都の天気は良いです", "天気"),
        ("東京都の天気は良いです", "気"),
        ("今日はWhisperの話", "whisper 話"),
        ("สวัสดีชาวโลก", "ชาวโลก"),
        ("안녕하세요 여러분", "여러"),
        ("Привет, мир", "МИР"),
        ("שלום עולם", "עולם"),
        ("\uff46\uff55\uff4c\uff4c width", "full"),
        ("room 101 & 102", "102"),
    ],
)
def test_it_is_found(text: str, query: str) -> None:
    assert wanted(query)
    assert matches(searchable(text), wanted(query))


@pytest.mark.parametrize(
    ("text", "query"),
    [("Das Ergebnis", "gebnis"), ("東京都の天気", "気天"), ("one two", "one three"), ("", "x"), ("ab", "abc")],
)
def test_it_is_not_found(text: str, query: str) -> None:
    assert not matches(searchable(text), wanted(query))


@pytest.mark.parametrize("query", ["", "  ", "!?", "\u0301", '"', "*", "\0", "\ud800"])
def test_nothing_is_wanted(query: str) -> None:
    assert wanted(query) == ()


def test_so_many_words_and_each_once() -> None:
    assert wanted("b a b") == (" b", " a")
    assert len(wanted(" ".join(f"w{number}" for number in range(50)))) == MAX_WORDS
