"""Who said what, in every format: a turn begins a line, a paragraph, a cue, and names are text in each of them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from api.answers.formats import diarized_json, render
from api.answers.line_breaks import columns
from api.answers.renderers.subtitles import srt, vtt
from api.answers.renderers.text import markdown, text
from engines.transcript import Segment, Speaker, Transcript
from tests.acceptance.subtitles import read_srt
from tests.unit.api.answers.test_cues import spoken
from tests.unit.api_service import make_segment, make_transcript
from worker.store.records import Layout


def said(number: int, start: float, words: str, speaker: str) -> Segment:
    segment = make_segment(number, start, start + 1.0, words)
    return replace(segment, speaker=speaker, words=tuple(replace(word, speaker=speaker) for word in segment.words))


MEETING = make_transcript(
    said(0, 0.0, " Good morning.", "A"),
    said(1, 1.0, " Shall we?", "A"),
    said(2, 2.0, " Yes.", "B"),
    said(3, 3.0, " Then begin.", "A"),
    speakers=(Speaker("A", 3.0), Speaker("B", 1.0)),
)


def named(**names: str) -> Transcript:
    return MEETING.named(names)


def test_text_has_a_line_for_each_turn() -> None:
    assert text(MEETING) == "A: Good morning. Shall we?\nB: Yes.\nA: Then begin.\n"
    assert text(named(A="Anna")).startswith("Anna: Good morning.")
    assert text(MEETING, Layout(timestamps=True)).splitlines()[1:3] == ["[00:00:01] A: Shall we?", "[00:00:02] B: Yes."]
    assert text(MEETING, Layout(paragraphs=True)).split("\n\n")[:2] == ["A: Good morning. Shall we?", "B: Yes."]


def test_two_labels_with_one_name_are_one_speaker() -> None:
    assert text(named(A="Anna", B="Anna")) == "Anna: Good morning. Shall we? Yes. Then begin.\n"


def test_markdown_and_word_have_a_paragraph_for_each_turn_with_the_name_in_bold() -> None:
    shown = markdown(named(B="B. *Star*"), "")
    assert "*00:00:02* **B. \\*Star\\*:** Yes.\n" in shown
    from docx import Document  # 0.1 s, in every process that only collects tests

    document = Document(io.BytesIO(render(MEETING, "docx").body))
    assert [each.text for each in document.paragraphs] == [
        "00:00:00  A: Good morning. Shall we?",
        "00:00:02  B: Yes.",
        "00:00:03  A: Then begin.",
    ]
    assert [run.text for run in document.paragraphs[1].runs if run.bold] == ["B: "]


@pytest.mark.parametrize(("response_format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_tables_have_the_speaker_of_each_row(response_format: str, delimiter: str) -> None:
    body = render(named(B="=HYPERLINK(1)"), response_format).body.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(body), delimiter=delimiter))
    assert [row[2] for row in rows[1:]] == ["A", "A", "'=HYPERLINK(1)", "A"]


def test_webvtt_has_a_voice_span_in_every_cue() -> None:
    blocks = vtt(named(A="Tom & <b>Ann</b>\n")).strip().split("\n\n")[1:]
    assert blocks[0].splitlines()[1] == "<v Tom &amp; &lt;b&gt;Ann&lt;/b&gt;>Good morning."
    assert blocks[2].splitlines()[1] == "<v B>Yes."
    highlighted = vtt(MEETING, Layout(highlight_words=True))
    assert "<v A><u>Good</u> morning.\n" in highlighted
    assert highlighted.count("<v ") == highlighted.count("-->")


def test_subrip_has_the_name_before_the_text() -> None:
    cues = read_srt(srt(MEETING))
    assert [cue.text for cue in cues] == ["A: Good morning.", "A: Shall we?", "B: Yes.", "A: Then begin."]
    assert "\nA: Good <u>morning.</u>\n" in srt(MEETING, Layout(highlight_words=True))


def test_a_name_takes_its_part_of_a_line() -> None:
    long = spoken("When the rain came, we all went home again because nobody had brought an umbrella to the party.")
    transcript = replace(long, segments=tuple(replace(each, speaker="Anna-Maria") for each in long.segments))
    blocks = [block.splitlines()[2:] for block in srt(transcript, Layout(max_line_width=32)).strip().split("\n\n")]
    assert all(lines[0].startswith("Anna-Maria: ") for lines in blocks)
    assert all(columns(line) <= 32 and len(lines) <= 2 for lines in blocks for line in lines)


def test_verbose_json_has_the_speaker_of_each_segment_and_word() -> None:
    answer = json.loads(render(named(B="Ben"), "verbose_json", ("segment", "word")).body)
    assert [each["speaker"] for each in answer["segments"]] == ["A", "A", "Ben", "A"]
    assert [each["speaker"] for each in answer["words"]] == ["A"] * 4 + ["Ben"] + ["A"] * 2
    assert answer["segments"][2]["words"][0]["speaker"] == "Ben"
    assert "speaker" not in render(make_transcript(), "verbose_json", ("segment", "word")).body.decode()


def test_diarized_json_is_openais_and_nothing_more() -> None:
    answer = diarized_json(named(B="Ben"))
    assert set(answer) == {"task", "duration", "text", "segments", "usage"}
    assert answer["text"] == "Good morning. Shall we? Yes. Then begin."
    assert answer["segments"][2] == {
        "type": "transcript.text.segment",
        "id": "seg_2",
        "start": 2.0,
        "end": 3.0,
        "text": "Yes.",
        "speaker": "Ben",
    }


def test_json_with_segments_has_speakers_too() -> None:
    answer: dict[str, Any] = json.loads(render(MEETING, "json", layout=Layout(segments=True)).body)
    assert [each["speaker"] for each in answer["segments"]] == ["A", "A", "B", "A"]
