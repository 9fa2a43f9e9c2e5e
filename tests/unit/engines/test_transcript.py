"""A transcript's text and words are its segments'."""

from __future__ import annotations

from dataclasses import replace

from engines.transcript import Speaker, Word
from tests.unit.factories import make_segment, make_transcript


def test_its_text_is_its_segments_without_the_first_space() -> None:
    assert make_transcript().text == "Hello there. Bye."
    assert make_transcript(segments=()).text == ""


def test_text_without_spaces_stays_without() -> None:
    segments = (make_segment(0, 0, 1, "你好。"), make_segment(1, 1, 2, "再见。"))
    assert make_transcript(segments=segments).text == "你好。再见。"


def test_its_words_are_its_segments_words() -> None:
    transcript = make_transcript()
    assert [word.text for word in transcript.words] == [" Hello there.", " Bye."]


def test_names_take_the_place_of_labels_in_segments_and_words() -> None:
    words = (Word(" Hi.", 0.0, 1.0, 0.9, "A"), Word(" So.", 1.0, 2.0, 0.9, "B"))
    said = replace(make_segment(), speaker="A", words=words)
    found = make_transcript(segments=(said,), speakers=(Speaker("A", 1.0), Speaker("B", 1.0)))
    assert found.named({}) is found
    [segment] = found.named({"A": "Anna"}).segments
    assert segment.speaker == "Anna"
    assert [word.speaker for word in segment.words] == ["Anna", "B"]
    assert [speaker.name for speaker in found.named({"A": "Anna"}).speakers] == ["Anna", ""]
