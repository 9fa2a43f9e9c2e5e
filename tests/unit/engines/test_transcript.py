"""A transcript's text and words are its segments'."""

from __future__ import annotations

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
