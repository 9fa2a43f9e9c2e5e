"""OpenAI's contract in raw JSON and raw bytes: nothing here is forgiven, as the SDK's lenient parsing would."""

from __future__ import annotations

import itertools
import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tokenizers import Tokenizer

from tests import media, speech
from tests.acceptance.live import LiveService
from tests.acceptance.subtitles import parted, read_srt, read_vtt, text_of
from tests.accuracy import normalised, sentence_starts, word_error_rate
from tests.conftest import Sample

NUMBER = (int, float)
USAGE = {"type": "duration", "seconds": int}
JSON = {"text": str, "languages": [{"code": str}], "usage": USAGE}
SEGMENT = {
    "id": int,
    "seek": int,
    "start": NUMBER,
    "end": NUMBER,
    "text": str,
    "tokens": [int],
    "temperature": NUMBER,
    "avg_logprob": NUMBER,
    "compression_ratio": NUMBER,
    "no_speech_prob": NUMBER,
}
WORD = {"word": str, "start": NUMBER, "end": NUMBER}
SEGMENT_WITH_WORDS = {**SEGMENT, "words": [{**WORD, "probability": NUMBER}]}  # if both granularities are asked for
VERBOSE = {
    "task": "transcribe",
    "language": str,
    "language_code": str,  # ours, as is its probability
    "language_probability": NUMBER,
    "duration": NUMBER,
    "text": str,
    "segments": [SEGMENT],
    "words": [WORD],
    "usage": USAGE,
}
TRANSLATION = {
    "task": "translate",
    "language": "english",
    "language_code": "en",
    "source_language": str,
    "source_language_code": str,
    "source_language_probability": NUMBER,
    "duration": NUMBER,
    "text": str,
    "segments": [SEGMENT],
}
FAKE_TEXT = "w0.0 w0.1 w0.2"  # what the engine without a model hears in the clip


def without(shape: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {name: kind for name, kind in shape.items() if name not in keys}


def assert_shape(value: Any, shape: Any, path: str = "$") -> None:
    """The value has exactly these keys and types: a number is no string, a bool is no number, nothing is null."""
    if isinstance(shape, dict):
        assert type(value) is dict, path
        assert set(value) == set(shape), path
        for name, kind in shape.items():
            assert_shape(value[name], kind, f"{path}.{name}")
    elif isinstance(shape, list):
        assert type(value) is list, path
        for at, item in enumerate(value):
            assert_shape(item, shape[0], f"{path}[{at}]")
    elif isinstance(shape, str):
        assert value == shape, path
    else:
        assert type(value) in (shape if isinstance(shape, tuple) else (shape,)), f"{path}: {value!r}"
        assert type(value) is not float or math.isfinite(value), path


@dataclass(frozen=True)
class Talk:
    """What a client that waited was answered, and its job, whose record stays for a while."""

    response: httpx.Response
    job_id: str


@pytest.fixture(scope="module")
def transcribed(service: LiveService, talk_file: Path) -> Talk:
    """The talk with segments and words."""
    before = service.job_ids()
    response = service.transcribe(
        talk_file, response_format="verbose_json", **{"timestamp_granularities[]": ["word", "segment"]}
    )
    (job_id,) = service.job_ids() - before
    return Talk(response, job_id)


@pytest.fixture(scope="module")
def verbose(transcribed: Talk) -> dict[str, Any]:
    """The answer as parsed from the raw body."""
    assert transcribed.response.status_code == 200, transcribed.response.text
    assert transcribed.response.headers["content-type"] == "application/json"
    answer: dict[str, Any] = json.loads(transcribed.response.content)
    return answer


def test_verbose_json_has_every_key_in_its_type_and_no_other(verbose: dict[str, Any]) -> None:
    assert_shape(verbose, {**VERBOSE, "segments": [SEGMENT_WITH_WORDS]})
    assert len(verbose["segments"]) > 10
    assert len(verbose["words"]) > 100


def test_duration_language_and_usage_are_the_recordings(verbose: dict[str, Any], talk: speech.Recording) -> None:
    assert verbose["duration"] == pytest.approx(talk.seconds, abs=0.05)
    assert verbose["usage"]["seconds"] == math.ceil(verbose["duration"])
    assert (verbose["language"], verbose["language_code"]) == ("english", "en")
    assert 0.5 < verbose["language_probability"] <= 1


def test_the_words_are_those_that_were_spoken_when_they_were(verbose: dict[str, Any], talk: speech.Recording) -> None:
    assert word_error_rate(talk.text, verbose["text"]) < 0.1
    words = [(row["word"], row["start"]) for row in verbose["words"]]
    assert sentence_starts(talk.sentences, words) >= 0.9


def test_segments_follow_each_other_and_make_the_text(verbose: dict[str, Any]) -> None:
    segments = verbose["segments"]
    assert [row["id"] for row in segments] == list(range(len(segments)))
    assert "".join(row["text"] for row in segments).strip() == verbose["text"]
    assert all(0 <= row["start"] < row["end"] <= verbose["duration"] for row in segments)
    assert all(before["end"] <= after["start"] for before, after in itertools.pairwise(segments))


def test_words_lie_in_their_segments_and_make_the_text(verbose: dict[str, Any]) -> None:
    words, segments = verbose["words"], verbose["segments"]
    assert "".join(row["word"] for row in words) == verbose["text"].replace(" ", "")
    assert all(row["word"] == row["word"].strip() != "" for row in words)
    assert all(row["start"] <= row["end"] for row in words)
    assert all(before["end"] <= after["start"] for before, after in itertools.pairwise(words))
    for row in segments:
        inside = [word for word in words if row["start"] <= word["start"] and word["end"] <= row["end"]]
        assert "".join(word["word"] for word in inside) == row["text"].replace(" ", "")
        assert (inside[0]["start"], inside[-1]["end"]) == (row["start"], row["end"])


def test_tokens_are_those_of_the_segments_text(verbose: dict[str, Any], base_model: Path) -> None:
    tokenizer = Tokenizer.from_file(str(base_model / "tokenizer.json"))
    for row in verbose["segments"]:
        assert tokenizer.decode(row["tokens"], skip_special_tokens=False) == row["text"]


def test_compression_ratio_is_that_of_the_segments_text(verbose: dict[str, Any]) -> None:
    for row in verbose["segments"]:
        data = row["text"].strip().encode()
        assert row["compression_ratio"] == pytest.approx(len(data) / len(zlib.compress(data)))


def test_seek_and_the_probabilities_are_those_of_the_segments_window(verbose: dict[str, Any]) -> None:
    windows = [list(rows) for _, rows in itertools.groupby(verbose["segments"], key=lambda row: row["seek"])]
    seeks = [rows[0]["seek"] for rows in windows]
    assert len(seeks) >= 3
    assert seeks == sorted(set(seeks))
    assert 0 <= seeks[0] < 100
    for rows in windows:
        assert rows[0]["seek"] <= rows[0]["start"] * 100 + 1  # hundredths of a second
        assert rows[-1]["end"] * 100 - rows[0]["seek"] < 100 * (30 + 10)  # 30 s of speech and the pauses left out
        for name in ("avg_logprob", "no_speech_prob", "temperature"):
            assert len({row[name] for row in rows}) == 1, name
    for name in ("avg_logprob", "no_speech_prob"):
        assert len({rows[0][name] for rows in windows}) == len(windows), f"{name} is the same everywhere"


def test_the_probabilities_are_probabilities(verbose: dict[str, Any]) -> None:
    for row in verbose["segments"]:
        assert 0 < math.exp(row["avg_logprob"]) < 1
        assert 0 <= row["no_speech_prob"] <= 1
        assert 0 <= row["temperature"] <= 1


def test_noise_makes_the_model_less_sure(service: LiveService, talk: speech.Recording, tmp_path: Path) -> None:
    quiet = talk.samples[: 12 * speech.SAMPLE_RATE]
    noisy = quiet + speech.noise(12, 0.03)
    sure, unsure = (
        service.transcribe(media.write(tmp_path / name, samples), response_format="verbose_json").json()["segments"][0]
        for name, samples in (("quiet.wav", quiet), ("noisy.wav", noisy))
    )
    assert unsure["avg_logprob"] < sure["avg_logprob"]
    assert unsure["no_speech_prob"] != sure["no_speech_prob"]


def test_subtitles_cover_the_whole_text(service: LiveService, transcribed: Talk, verbose: dict[str, Any]) -> None:
    """Asked for in two formats of the job of a client that waited."""
    transcript = service.job(transcribed.job_id)["urls"]["transcript"]
    srt, vtt = service.get(transcript, format="srt"), service.get(transcript, format="vtt")
    assert srt.headers["content-type"] == "application/x-subrip; charset=utf-8"
    assert vtt.headers["content-type"] == "text/vtt; charset=utf-8"
    cues = read_srt(srt.text)
    assert read_vtt(vtt.text) == cues
    assert text_of(cues) == verbose["text"]
    assert parted(cues, [(row["start"], row["end"]) for row in verbose["segments"]])
    assert all(cue.end - cue.start <= 7 and len(cue.text) <= 2 * 42 + 1 for cue in cues)


def test_a_translation_has_neither_words_nor_usage(service: LiveService, sample: Sample) -> None:
    response = service.post(
        "/v1/audio/translations",
        data={"model": "whisper-1", "response_format": "verbose_json"},
        files={"file": sample.path.read_bytes()},
    )
    assert_shape(response.json(), TRANSLATION)
    assert normalised(response.json()["text"]) == normalised(sample.text)


@pytest.mark.parametrize(
    ("wanted", "left_out"),
    [(["word"], "segments"), (["segment"], "words"), ([], "words"), (["segment", "word"], "")],
)
@pytest.mark.parametrize("field", ["timestamp_granularities", "timestamp_granularities[]"])
def test_granularities_in_both_spellings(
    quick: LiveService, clip: Path, field: str, wanted: list[str], left_out: str
) -> None:
    answer = quick.transcribe(clip, response_format="verbose_json", **{field: wanted})
    shape = VERBOSE if left_out else {**VERBOSE, "segments": [SEGMENT_WITH_WORDS]}
    assert_shape(answer.json(), without(shape, left_out))


def test_json_is_the_default_and_has_no_other_key(quick: LiveService, clip: Path) -> None:
    default, asked = quick.transcribe(clip), quick.transcribe(clip, response_format="json")
    assert_shape(default.json(), JSON)
    expected = {"text": FAKE_TEXT, "languages": [{"code": "en"}], "usage": {"type": "duration", "seconds": 3}}
    assert default.json() == asked.json() == expected
    assert default.headers["content-type"] == "application/json"


def test_text_is_plain_text(quick: LiveService, clip: Path) -> None:
    response = quick.transcribe(clip, response_format="text")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == f"{FAKE_TEXT}\n"


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": "Minutes of the weekly meeting, by Anna."},
        {"language": "en"},
        {"temperature": "0.4"},
        {"keywords[]": ["Kubernetes", "quarterly figures"]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_guides_the_model_leaves_the_shape_alone(
    service: LiveService, sample: Sample, options: dict[str, Any]
) -> None:
    answer = service.transcribe(sample.path, response_format="verbose_json", **options).json()
    assert_shape(answer, without(VERBOSE, "words"))
    assert answer["language"] == "english"
    assert word_error_rate(sample.text, answer["text"]) < 0.35
    assert min(row["temperature"] for row in answer["segments"]) >= float(options.get("temperature", 0))
    if "language" in options:
        assert answer["language_probability"] == 1
