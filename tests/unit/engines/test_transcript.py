"""A transcript survives being stored, and its text is its segments'."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from engines.transcript import Segment, Transcript, TranscriptWarning, Word
from tests.unit.factories import make_segment, make_transcript

texts = st.sampled_from(["", " Hello", " “naïve”\n", "你好。", ' \u2028\\"', " 🎙"])
times = st.floats(0, 1e5)
ratios = st.floats(-10, 10)
words = st.lists(st.builds(Word, texts, times, times, ratios), max_size=3).map(tuple)
tokens = st.lists(st.integers(0, 60_000), max_size=4).map(tuple)
segments = st.builds(
    Segment, st.integers(), times, times, texts, tokens, st.integers(), ratios, ratios, ratios, ratios, words
)
warnings = st.builds(TranscriptWarning, texts, texts)
transcripts = st.builds(
    Transcript,
    task=st.sampled_from(["transcribe", "translate"]),
    language=st.just("en"),
    language_probability=ratios,
    duration=times,
    model=texts,
    engine=texts,
    segments=st.lists(segments, max_size=3).map(tuple),
    warnings=st.lists(warnings, max_size=2).map(tuple),
)


@settings(max_examples=20, deadline=None)
@given(transcripts)
def test_it_comes_back_from_json_as_it_was(transcript: Transcript) -> None:
    assert Transcript.from_dict(json.loads(json.dumps(transcript.to_dict()))) == transcript


def test_its_text_is_its_segments_without_the_first_space() -> None:
    assert make_transcript().text == "Hello there. Bye."
    assert make_transcript(segments=()).text == ""


def test_text_without_spaces_stays_without() -> None:
    segments = (make_segment(0, 0, 1, "你好。"), make_segment(1, 1, 2, "再见。"))
    assert make_transcript(segments=segments).text == "你好。再见。"


def test_its_words_are_its_segments_words() -> None:
    transcript = make_transcript()
    assert [word.text for word in transcript.words] == [" Hello there.", " Bye."]
