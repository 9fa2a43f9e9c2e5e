"""The official SDK, sync and async, talks to the service as it talks to OpenAI: every format in its parsed type."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types import Model
from openai.types.audio import (
    Transcription,
    TranscriptionSegment,
    TranscriptionVerbose,
    TranscriptionWord,
    Translation,
    TranslationVerbose,
)

from tests.acceptance.live import LiveService
from tests.acceptance.sdk import KINDS, Client, Kind, async_client, call, sync_client, transcribe
from tests.acceptance.subtitles import parted, read_srt, read_vtt, text_of
from tests.accuracy import normalised
from tests.conftest import Sample

FORMATS: dict[str, dict[str, Any]] = {
    "json": {"response_format": "json"},
    "text": {"response_format": "text"},
    "srt": {"response_format": "srt"},
    "vtt": {"response_format": "vtt"},
    "segment": {"response_format": "verbose_json", "timestamp_granularities": ["segment"]},
    "word": {"response_format": "verbose_json", "timestamp_granularities": ["word"]},
    "both": {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]},
}


@pytest.fixture(scope="module")
def sync_answers(quick: LiveService, sample: Sample) -> dict[str, Any]:
    """The sample in every format."""
    with sync_client(quick) as client:
        return {name: transcribe(sample.path, **options)(client) for name, options in FORMATS.items()}


@pytest.fixture(scope="module")
def async_answers(quick: LiveService, sample: Sample) -> dict[str, Any]:
    """The sample in every format, all asked for at once."""

    async def ask() -> list[Any]:
        async with async_client(quick) as client:
            return await asyncio.gather(*(transcribe(sample.path, **row)(client) for row in FORMATS.values()))

    return dict(zip(FORMATS, asyncio.run(ask()), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_and_the_language_come_in_the_sdks_types(quick: LiveService, clip: Path, kind: Kind) -> None:
    heard = call(kind, quick, transcribe(clip, include=["logprobs"]))
    assert "".join(bytes(map(int, each.bytes)).decode() for each in heard.logprobs).strip() == heard.text
    assert all(each.token and each.logprob == pytest.approx(-0.1054) for each in heard.logprobs)
    assert [each.code for each in heard.languages] == ["en"]


def test_a_stream_of_what_has_times_is_answered_whole(quick: LiveService, clip: Path) -> None:
    """As OpenAI answers for whisper-1; LiteLLM asks so."""
    answer = quick.transcribe(clip, response_format="verbose_json", stream="true")
    assert answer.headers["content-type"] == "application/json"
    assert {"duration", "segments", "text"} <= set(answer.json())


@pytest.fixture(params=KINDS)
def answers(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.getfixturevalue(f"{request.param}_answers")
    return found


def test_the_words_are_those_that_were_spoken(service: LiveService, sample: Sample) -> None:
    with sync_client(service) as client:
        answer = transcribe(sample.path)(client)
    assert normalised(answer.text) == normalised(sample.text)


def test_json_is_a_transcription(answers: dict[str, Any]) -> None:
    answer = answers["json"]
    assert type(answer) is Transcription
    assert answer.text.startswith("w0.0 w0.1 ")
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == 12  # 11.56 rounded up, as OpenAI does


def test_text_is_the_text_and_no_json(answers: dict[str, Any]) -> None:
    assert answers["text"] == answers["json"].text + "\n"


def test_srt_and_vtt_are_subtitles_of_the_same_words(answers: dict[str, Any]) -> None:
    srt, vtt = read_srt(answers["srt"]), read_vtt(answers["vtt"])
    assert srt == vtt
    assert text_of(srt) == answers["json"].text
    assert parted(srt, [(row.start, row.end) for row in answers["segment"].segments])


@pytest.mark.parametrize(
    ("name", "has_segments", "has_words"),
    [("segment", True, False), ("word", False, True), ("both", True, True)],
)
def test_verbose_json_has_what_was_asked_for(
    answers: dict[str, Any], name: str, has_segments: bool, has_words: bool
) -> None:
    answer = answers[name]
    assert type(answer) is TranscriptionVerbose
    assert answer.text == answers["json"].text
    assert answer.language == "english"
    assert answer.duration == pytest.approx(11.56, abs=0.1)
    assert answer.usage is not None
    assert answer.usage.seconds == math.ceil(answer.duration)
    assert bool(answer.segments) is has_segments
    assert bool(answer.words) is has_words
    assert all(type(row) is TranscriptionSegment for row in answer.segments or [])
    assert all(type(row) is TranscriptionWord for row in answer.words or [])


def test_words_and_segments_are_the_same_asked_for_together_or_alone(answers: dict[str, Any]) -> None:
    segments = [row.to_dict() for row in answers["both"].segments]
    words = [word for row in segments for word in row.pop("words")]  # ours: with their probability
    assert segments == [row.to_dict() for row in answers["segment"].segments]
    assert [(word["word"], word["start"]) for word in words] == [(row.word, row.start) for row in answers["both"].words]
    assert answers["both"].words == answers["word"].words


def test_sync_and_async_clients_get_the_same(sync_answers: dict[str, Any], async_answers: dict[str, Any]) -> None:
    assert sync_answers == async_answers


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_translations(quick: LiveService, clip: Path, kind: Kind) -> None:
    def translate(**options: Any) -> Any:
        return call(
            kind, quick, lambda client: client.audio.translations.create(model="whisper-1", file=clip, **options)
        )

    plain, verbose = translate(), translate(response_format="verbose_json")
    assert (type(plain), type(verbose)) == (Translation, TranslationVerbose)
    assert plain.text == "w0.0 w0.1 w0.2"
    assert (verbose.text, verbose.language, verbose.duration) == (plain.text, "english", 3.0)
    assert [type(row) for row in verbose.segments] == [TranscriptionSegment]
    assert translate(response_format="text") == plain.text + "\n"
    assert text_of(read_srt(translate(response_format="srt"))) == plain.text
    assert text_of(read_vtt(translate(response_format="vtt"))) == plain.text


def retrieve(name: str) -> Callable[[Client], Any]:
    return lambda client: client.models.retrieve(name)


@pytest.mark.parametrize("kind", KINDS)
def test_models(quick: LiveService, kind: Kind) -> None:
    async def names(client: AsyncOpenAI) -> list[str]:
        return [model.id async for model in client.models.list()]

    def list_names(client: Any) -> Any:
        return names(client) if isinstance(client, AsyncOpenAI) else [model.id for model in client.models.list()]

    listed = call(kind, quick, list_names)
    assert {"base", "whisper-1"} <= set(listed)
    for name in [*listed, "Systran/faster-whisper-base"]:
        model = call(kind, quick, retrieve(name))
        assert type(model) is Model
        assert (model.id, model.object, model.owned_by) == (name, "model", "whisper-native")
        assert type(model.created) is int


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-transcribe"])
def test_openais_names_mean_the_model_served(quick: LiveService, clip: Path, kind: Kind, model: str) -> None:
    assert call(kind, quick, transcribe(clip, model=model)).text == "w0.0 w0.1 w0.2"


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_in_every_way_the_sdk_takes_one(quick: LiveService, clip: Path, kind: Kind) -> None:
    before = quick.job_ids()
    content = clip.read_bytes()
    ways = {"upload": content, "clip.wav": clip, "a b.wav": ("a b.wav", content), "c": ("c", content, "audio/x-wav")}
    for file in ways.values():
        assert call(kind, quick, transcribe(clip, file=file)).text == "w0.0 w0.1 w0.2"
    with open(clip, "rb") as opened:
        assert call(kind, quick, transcribe(clip, file=opened)).text == "w0.0 w0.1 w0.2"
    named = [quick.job(job_id)["file"]["name"] for job_id in sorted(quick.job_ids() - before)]
    assert named == [*ways, "clip.wav"]


@pytest.mark.parametrize("kind", KINDS)
def test_everything_the_sdk_can_ask_for_and_the_service_accepts(quick: LiveService, clip: Path, kind: Kind) -> None:
    strategy = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 200, "prefix_padding_ms": 300}
    answer = call(
        kind,
        quick,
        transcribe(
            clip,
            language="de",
            prompt="Names: Anna, Ben.",
            temperature=0.2,
            stream=False,
            chunking_strategy=strategy,
            response_format="verbose_json",
            extra_body={"keywords[]": ["Kubernetes", "Redis"], "languages[]": ["de", "en"]},
        ),
    )
    assert (answer.language, answer.language_code) == ("german", "de")
