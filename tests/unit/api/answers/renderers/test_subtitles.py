"""Subtitles as a client wants them laid out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from api.answers.line_breaks import columns, wrapped
from api.answers.renderers.subtitles import srt, vtt
from engines.transcript import Word
from tests.acceptance.subtitles import read_srt, read_vtt
from tests.unit.api.answers.test_cues import spoken, transcript
from tests.unit.api_service import make_segment, make_transcript
from worker.store.records import Layout

SAID = "When the rain came, we all went home again because nobody had brought an umbrella to the garden party."


def lines(body: str) -> list[list[str]]:
    """Those of each cue."""
    return [block.splitlines()[2:] for block in body.strip().split("\n\n")]


@pytest.mark.parametrize(("width", "count"), [(42, 2), (32, 1), (20, 2), (14, 3)])
def test_lines_have_the_width_and_cues_the_lines_that_are_asked_for(width: int, count: int) -> None:
    found = lines(srt(spoken(SAID), Layout(max_line_width=width, max_line_count=count)))
    assert all(len(cue) <= count and columns(line) <= width for cue in found for line in cue)
    assert " ".join(line for cue in found for line in cue) == SAID
    assert max(len(cue) for cue in found) == count


def test_without_wishes_cues_are_as_ever() -> None:
    assert srt(spoken(SAID)) == srt(spoken(SAID), Layout())
    assert max(columns(line) for cue in lines(srt(spoken(SAID))) for line in cue) > 20


@pytest.mark.parametrize(("words", "count", "lines_of_a_cue"), [(4, None, 1), (3, 2, 2), (1, None, 1)])
def test_words_of_a_line_are_counted(words: int, count: int | None, lines_of_a_cue: int) -> None:
    found = lines(srt(spoken(SAID), Layout(max_words_per_line=words, max_line_count=count)))
    assert all(len(line.split()) <= words for cue in found for line in cue)
    assert max(len(cue) for cue in found) == lines_of_a_cue
    assert " ".join(line for cue in found for line in cue) == SAID
    read_srt(srt(spoken(SAID), Layout(max_words_per_line=words)))


def test_a_width_outweighs_a_count_of_words() -> None:
    wide = Layout(max_line_width=30)
    assert srt(spoken(SAID), Layout(max_line_width=30, max_words_per_line=1)) == srt(spoken(SAID), wide)


def test_each_word_is_underlined_while_it_is_said() -> None:
    words = (Word(" Tom", 0.0, 0.4, 0.9), Word(" &", 0.4, 0.6, 0.9), Word(" Ann.", 1.0, 1.5, 0.9))
    body = vtt(transcript(*words), Layout(highlight_words=True))
    cues = re.findall(r"(\S+) --> (\S+)\n(.*)\n\n", body)
    assert [text for _, _, text in cues] == [
        "<u>Tom</u> &amp; Ann.",
        "Tom <u>&amp;</u> Ann.",
        "Tom &amp; Ann.",
        "Tom &amp; <u>Ann.</u>",
    ]
    assert [start for start, *_ in cues] == ["00:00:00.000", "00:00:00.400", "00:00:00.600", "00:00:01.000"]
    assert cues[-1][1] == "00:00:01.500"


def test_underlining_changes_neither_text_nor_order() -> None:
    layout = Layout(highlight_words=True, max_line_width=20, max_line_count=2)
    plain = [" ".join(cue) for cue in lines(srt(spoken(SAID), Layout(max_line_width=20, max_line_count=2)))]
    marked = srt(spoken(SAID), layout)
    shown = [" ".join(cue) for cue in lines(re.sub("</?u>", "", marked))]
    assert list(dict.fromkeys(shown)) == plain
    assert len(re.findall(r"<u>", marked)) == len(SAID.split())
    read_srt(marked)


def test_a_segment_without_words_is_shown_without_marks() -> None:
    segment = replace(make_segment(0, 0.0, 2.0, " Hello."), words=())
    [cue] = read_vtt(vtt(make_transcript(segment), Layout(highlight_words=True)))
    assert cue.text == "Hello."


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("ja", "今日はいい天気ですから公園に行きましょうそれから図書館で本を読んで"),
        ("zh", "今天天气很好我们去公园散步然后在图书馆看书"),
        ("th", "วันนี้อากาศดีมากเราไปเดินเล่นที่สวนสาธารณะกันเถอะ"),
    ],
)
@pytest.mark.parametrize("width", [4, 10, 20])
def test_scripts_without_spaces_fit_any_width(language: str, said: str, width: int) -> None:
    found = wrapped(said, language, width)
    assert "".join(found) == said
    assert all(columns(line) <= width for line in found)
    body = srt(spoken(said, each=0.1, language=language, signs=True), Layout(max_line_width=width))
    assert "".join(line for cue in lines(body) for line in cue) == said
    read_srt(body)


def test_a_latin_name_in_japanese_is_not_taken_apart() -> None:
    assert "Kubernetes" in wrapped("私はKubernetesを使います", "ja", 10)
