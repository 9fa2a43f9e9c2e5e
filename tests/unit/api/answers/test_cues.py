"""A cue is at most 7 s and two lines of 42 columns, cut where one reads on most easily."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from api.answers.cues import Cue, CueStyle, cues
from api.answers.line_breaks import columns
from engines.transcript import Segment, Transcript, Word
from tests.unit.factories import make_segment, make_transcript


def segment_of(text: str, words: tuple[Word, ...], end: float = 20.0) -> Segment:
    span = (words[0].start, words[-1].end) if words else (0.0, end)
    return replace(make_segment(0, *span, text), words=words)


def transcript(*words: Word, language: str = "en") -> Transcript:
    text = "".join(word.text for word in words)
    segment = segment_of(text, words)
    return make_transcript(segments=(segment,), language=language)


def spoken(text: str, each: float = 0.3, language: str = "en", signs: bool = False) -> Transcript:
    texts = list(text) if signs else [f" {word}" for word in text.split()]
    return transcript(
        *(Word(word, at * each, (at + 1) * each, 0.9) for at, word in enumerate(texts)), language=language
    )


def lines(found: Transcript, style: CueStyle | None = None) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues(found, style)]


def test_a_short_segment_is_one_cue() -> None:
    found = spoken("Good morning.")
    assert list(cues(found)) == [Cue(0.0, 0.6, ("Good morning.",), found.words)]


def test_a_long_sentence_is_cut_and_no_cue_ends_in_an_abbreviation() -> None:
    said = (
        "Yesterday, Dr. Smith met Mr. Jones and Mrs. Brown at 9.30 a.m. in the U.S. Embassy on St. James Street, "
        "where Prof. Miller waited for Mr. and Mrs. Green."
    )
    found = lines(spoken(said, each=0.2))
    assert " ".join(line for cue in found for line in cue) == said
    assert not [cue for cue in found[:-1] if cue[-1].endswith(".")]
    assert all(len(cue) <= 2 and columns(line) <= 42 for cue in found for line in cue)


def test_a_cue_is_cut_at_a_comma_and_in_a_pause() -> None:
    assert lines(spoken("When the rain came, we all went home again", each=1.0)) == [
        ("When the rain came,",),
        ("we all went home again",),
    ]
    words = [Word(f" w{at}", at + 0.6 * (at > 4), at + 0.6 * (at > 4) + 1, 0.9) for at in range(8)]
    assert lines(transcript(*words)) == [("w0 w1 w2 w3 w4",), ("w5 w6 w7",)]


def test_scripts_without_spaces_are_cut_between_words() -> None:
    said = (
        "今日はいい天気ですから公園に行きましょうそれから"
        "図書館で本を読んで夕方に駅前の店でみんなと一緒にご飯を食べませんか"
    )
    found = lines(spoken(said, each=0.1, language="ja", signs=True))
    assert "".join(line for cue in found for line in cue) == said
    assert len(found) == 2
    assert all(len(cue) <= 2 and columns(line) <= 42 for cue in found for line in cue)
    assert found[0][-1].endswith(("で", "を", "に", "て"))


def test_a_segment_without_words_is_laid_out_and_not_cut() -> None:
    found = make_transcript(segments=(segment_of(" word" * 40, ()),))
    (cue,) = cues(found)
    assert (cue.start, cue.end) == (0.0, 20.0)
    assert all(columns(line) <= 42 for line in cue.lines)


def test_a_segment_without_text_is_no_cue() -> None:
    assert list(cues(make_transcript(segments=(segment_of("  ", ()),)))) == []


@given(st.lists(st.tuples(st.text("abc,.", min_size=1, max_size=9), st.floats(0.05, 2.0)), min_size=1, max_size=60))
def test_no_word_is_lost_and_every_cue_fits(said: list[tuple[str, float]]) -> None:
    words, at = [], 0.0
    for text, seconds in said:
        words.append(Word(f" {text}", at, at + seconds, 0.9))
        at += seconds
    found = list(cues(transcript(*words)))
    assert " ".join(line for cue in found for line in cue.lines) == " ".join(text for text, _ in said)
    for cue in found:
        assert cue.end - cue.start <= 7.0 + 1e-6 or len(cue.lines[0].split()) == 1
        assert len(cue.lines) <= 2
        assert all(columns(line) <= 42 for line in cue.lines)
