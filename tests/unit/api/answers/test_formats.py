"""What is rendered is what OpenAI renders; golden files hold the whole answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.answers.formats import render, streamed_done
from engines.transcript import TokenLogprob, Transcript, TranscriptWarning
from tests.unit.api_service import make_segment, make_transcript

GOLDEN = Path(__file__).parents[2] / "golden"
SEGMENT_KEYS = {
    "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob",
}  # fmt: skip


def long_transcript() -> Transcript:
    """Times beyond an hour, a rounding that carries, marks of the formats themselves, two lines in one segment."""
    return make_transcript(
        make_segment(0, 0.0, 3.32, " The beach was a popular spot."),
        make_segment(1, 59.9996, 61.0, " Tom & Jerry said <b>1 > 0</b>."),
        make_segment(2, 3599.9999, 3601.25, " An arrow --> points\n\nhere."),
        make_segment(3, 36_000.5, 36_002.0, " Größe: 漢字."),
        language="de",
        duration=36_002.4,
    )


def as_json(transcript: Transcript, *granularities: str) -> dict[str, Any]:
    rendered = render(transcript, "verbose_json", granularities or ("segment",))
    assert rendered.content_type == "application/json"
    answer: dict[str, Any] = json.loads(rendered.body)
    return answer


@pytest.mark.parametrize("suffix", ["srt", "vtt", "txt"])
def test_subtitles_and_text_are_as_they_always_were(suffix: str) -> None:
    body = render(long_transcript(), "text" if suffix == "txt" else suffix).body
    assert body.decode() == (GOLDEN / f"transcript.{suffix}").read_text(encoding="utf-8")


def test_verbose_json_is_as_it_always_was() -> None:
    golden = json.loads((GOLDEN / "transcript.verbose.json").read_text(encoding="utf-8"))
    assert as_json(long_transcript(), "segment", "word") == golden


@pytest.mark.parametrize(
    ("response_format", "content_type"),
    [("text", "text/plain"), ("srt", "application/x-subrip"), ("vtt", "text/vtt"), ("json", "application/json")],
)
def test_each_format_has_its_content_type(response_format: str, content_type: str) -> None:
    assert render(make_transcript(), response_format).content_type.startswith(content_type)


def test_json_has_the_text_and_the_seconds_rounded_up() -> None:
    answer = json.loads(render(make_transcript(duration=8.01), "json").body)
    usage = {"type": "duration", "seconds": 9}
    assert answer == {"text": "Hello there. Bye now.", "languages": [{"code": "en"}], "usage": usage}


def test_json_names_no_language_where_nobody_spoke() -> None:
    assert json.loads(render(make_transcript(language_probability=0.0), "json").body)["languages"] == []
    assert "languages" not in json.loads(render(make_transcript(task="translate"), "json").body)


def test_json_has_the_log_probabilities_that_were_asked_for() -> None:
    sure = (TokenLogprob(tuple(b" Gr\xc3"), -0.25), TokenLogprob((0xB6,), -1.5))
    transcript = make_transcript(replace(make_segment(0, 0, 1, " Gr\xf6"), logprobs=sure))
    expected = [
        {"token": " Gr\ufffd", "logprob": -0.25, "bytes": [32, 71, 114, 195]},
        {"token": "\ufffd", "logprob": -1.5, "bytes": [182]},
    ]
    assert json.loads(render(transcript, "json").body)["logprobs"] == expected
    assert streamed_done(transcript)["logprobs"] == expected
    assert "logprobs" not in json.loads(render(make_transcript(), "json").body)


def test_segments_have_their_words_with_how_sure_the_model_was() -> None:
    first, _ = as_json(make_transcript(), "segment", "word")["segments"]
    assert first["words"][0] == {"word": "Hello", "start": 0.0, "end": 1.66, "probability": 0.9}
    assert set(as_json(make_transcript(), "segment", "word")["words"][0]) == {"word", "start", "end"}  # as OpenAI's


def test_segments_have_the_ten_keys_and_their_own_numbers() -> None:
    first, second = as_json(make_transcript())["segments"]
    assert set(first) == set(second) == SEGMENT_KEYS
    assert first["text"] == " Hello there."
    assert first["tokens"] == [50364, 440, 11]
    for key in ("seek", "tokens", "avg_logprob", "compression_ratio", "no_speech_prob"):
        assert first[key] != second[key]


def test_words_need_not_be_there_twice() -> None:
    rendered = render(make_transcript(), "verbose_json", ("segment", "word"), has_flat_words=False)
    answer = json.loads(rendered.body)
    assert "words" not in answer
    assert all(segment["words"] for segment in answer["segments"])


def test_granularities_choose_what_is_there() -> None:
    assert "words" not in as_json(make_transcript(), "segment")
    words_alone = as_json(make_transcript(), "word")
    assert "segments" not in words_alone
    assert [word["word"] for word in words_alone["words"]] == ["Hello", "there.", "Bye", "now."]
    assert {"segments", "words"} <= set(as_json(make_transcript(), "segment", "word"))


def test_languages_are_names_with_their_codes_beside() -> None:
    answer = as_json(make_transcript(language="yue", language_probability=0.51239))
    assert (answer["language"], answer["language_code"], answer["language_probability"]) == ("cantonese", "yue", 0.5124)


def test_a_translation_has_no_words_and_no_usage_and_is_english() -> None:
    answer = as_json(make_transcript(task="translate", language="de"), "segment", "word")
    assert (answer["task"], answer["language"], answer["source_language"]) == ("translate", "english", "german")
    assert not {"words", "usage"} & set(answer)
    assert json.loads(render(make_transcript(task="translate"), "json").body) == {"text": "Hello there. Bye now."}


def test_warnings_are_told() -> None:
    assert "warnings" not in as_json(make_transcript())
    warned = make_transcript(warnings=(TranscriptWarning("truncated_input", "The file is cut off."),))
    assert as_json(warned)["warnings"] == [{"code": "truncated_input", "message": "The file is cut off."}]


def test_an_empty_transcript_is_valid_in_every_format() -> None:
    empty = replace(make_transcript(), segments=(), duration=30.0)
    assert render(empty, "vtt").body == b"WEBVTT\n\n"
    assert render(empty, "srt").body == b""
    assert render(empty, "text").body == b""
    assert as_json(empty)["segments"] == []
    assert json.loads(render(empty, "json").body)["text"] == ""


def test_a_cue_never_ends_before_it_begins() -> None:
    squeezed = make_transcript(make_segment(0, 2.0, 2.0, " Now."))
    assert b"00:00:02.000 --> 00:00:02.001" in render(squeezed, "vtt").body


@pytest.mark.parametrize("response_format", ["json", "text", "srt", "verbose_json", "vtt"])
def test_the_codes_of_warnings_are_in_a_header_of_every_format(response_format: str) -> None:
    rows = [TranscriptWarning(code, "…") for code in ("damaged_input", "other_tracks", "damaged_input")]
    headers = render(make_transcript(warnings=tuple(rows)), response_format).headers
    assert headers["x-whisper-warnings"] == "damaged_input, other_tracks"
    assert set(render(make_transcript(), response_format).headers) == {"content-type"}
