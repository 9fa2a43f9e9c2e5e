"""What clients send, in every spelling they use, and what is refused with which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.http.errors import ApiError
from api.http.fields import Fields
from api.intake.form import ROUTES, Route
from api.intake.form_reading import read_form
from api.intake.parameters import Parameters, read_parameters, read_transcript_format
from api.intake.served_models import ServedModels
from engines.base import DecodeOptions, Listening
from tests.unit.api_service import make_request
from worker.models.names import ModelNames
from worker.store.records import Layout

MODELS = ServedModels(ModelNames("base"), 0)


def read(*pairs: tuple[str, str], route: Route = "transcription", is_job: bool = False) -> Parameters:
    sent = pairs if route == "job" or "model" in dict(pairs) else (("model", "whisper-1"), *pairs)
    return read_parameters(read_form(Fields(sent), route), route, MODELS, is_job=is_job)


def refused(*pairs: tuple[str, str], route: Route = "transcription") -> ApiError:
    with pytest.raises(ApiError) as caught:
        read(*pairs, route=route)
    assert caught.value.status in (400, 404)
    assert caught.value.message.endswith(".")
    return caught.value


def test_defaults() -> None:
    parameters = read()
    assert (parameters.model, parameters.response_format, parameters.granularities) == (
        "whisper-1", "json", ("segment",),
    )  # fmt: skip
    assert parameters.options == DecodeOptions()


def test_everything_at_once() -> None:
    parameters = read(
        ("model", " base "), ("language", "German"), ("prompt", "Kubernetes, "), ("temperature", "0.4"),
        ("response_format", "verbose_json"), ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"), ("keywords[]", "RQ"), ("keywords", "Redis"), ("hotwords", "Whisper"),
        ("languages[]", "de"), ("languages", "EN"), ("stream", "false"), ("chunking_strategy", "auto"), ("user", "me"),
    )  # fmt: skip
    assert parameters.granularities == ("segment", "word")
    assert parameters.options == DecodeOptions(
        language="de",
        languages=("de", "en"),
        words=True,
        prompt="Kubernetes, ",
        hotwords="Whisper, RQ, Redis",
        temperature=0.4,
    )


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
def test_arrays_have_two_spellings(name: str) -> None:
    assert read(("response_format", "verbose_json"), (name, "word")).granularities == ("word",)


@pytest.mark.parametrize(
    "field",
    ["language", "prompt", "temperature", "response_format", "stream", "timestamp_granularities[]", "include[]"],
)
def test_an_empty_field_was_not_sent(field: str) -> None:
    assert read((field, "")) == read()


@pytest.mark.parametrize(
    ("sent", "words"), [("json", False), ("text", False), ("verbose_json", True), ("srt", True), ("vtt", True)]
)
def test_words_are_timed_where_they_are_needed(sent: str, words: bool) -> None:
    assert read(("response_format", sent)).options.words is words
    assert read(("response_format", sent), is_job=True).options.words is True


@pytest.mark.parametrize(
    ("pair", "param", "names"),
    [
        (("language", "xx"), "language", "'de'"),
        (("languages[]", "klingon"), "languages", "'de'"),
        (("temperature", "x"), "temperature", "0 to 1"),
        (("temperature", "1.1"), "temperature", "0 to 1"),
        (("temperature", "-0.1"), "temperature", "0 to 1"),
        (("temperature", "nan"), "temperature", "0 to 1"),
        (("response_format", "pdf"), "response_format", "'verbose_json'"),
        (("response_format", "odt"), "response_format", "'json'"),
        (("timestamp_granularities[]", "word"), "timestamp_granularities", "verbose_json"),
        (("include[]", "everything"), "include", "everything"),
        (("stream", "perhaps"), "stream", "true or false"),
        (("multilingual", "perhaps"), "multilingual", "true or false"),
        (("chunking_strategy", "manual"), "chunking_strategy", "server_vad"),
        (("chunking_strategy[type]", "manual"), "chunking_strategy", "server_vad"),
        (("prompt", "x" * 10_001), "prompt", "10000"),
        (("keywords[]", "x" * 10_001), "keywords", "10000"),
    ],
)
def test_a_bad_value_names_its_parameter_and_what_is_allowed(pair: tuple[str, str], param: str, names: str) -> None:
    error = refused(pair)
    assert (error.status, error.code, error.param) == (400, "invalid_value", param)
    assert names in error.message


def test_a_bad_granularity_is_refused() -> None:
    error = refused(("response_format", "verbose_json"), ("timestamp_granularities[]", "letter"))
    assert (error.param, "'word'" in error.message) == ("timestamp_granularities", True)


@pytest.mark.parametrize("response_format", ["srt", "vtt", "verbose_json"])
def test_what_has_times_is_answered_whole_as_openai_does_for_whisper_1(response_format: str) -> None:
    """LiteLLM asks for both at once."""
    assert not read(("stream", "true"), ("response_format", response_format)).stream
    assert read(("stream", "true"), ("response_format", "text")).stream


def test_log_probabilities_are_worked_out_where_they_can_be_shown() -> None:
    asked = read(("include[]", "logprobs")).options
    assert (asked.logprobs, asked.words) == (True, True)  # they come with the times
    assert not read(("include[]", "logprobs"), ("response_format", "srt")).options.logprobs
    assert read(("include[]", "logprobs"), ("response_format", "srt"), is_job=True).options.logprobs
    assert not read().options.logprobs


@pytest.mark.parametrize("text", ["null", "auto", '{"type": "server_vad"}'])
def test_a_chunking_strategy_without_settings_leaves_voice_activity_as_it_is(text: str) -> None:
    assert read(("chunking_strategy", text)) == read()


@pytest.mark.parametrize(
    "pairs",
    [
        [("chunking_strategy", '{"type": "server_vad", "threshold": 0.3, "prefix_padding_ms": 200}')],
        [
            ("chunking_strategy[type]", "server_vad"),
            ("chunking_strategy[threshold]", "0.3"),
            ("chunking_strategy[prefix_padding_ms]", "200"),
        ],
    ],
)
def test_a_chunking_strategy_sets_voice_activity(pairs: list[tuple[str, str]]) -> None:
    assert read(*pairs).options.listening == Listening(threshold=0.3, prefix_padding=0.2)


def test_voice_activity_can_be_left_out_and_a_track_chosen() -> None:
    assert read(("vad_filter", "false"), ("track", "2")).options.listening == Listening(track=2, voice_activity=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("track", "0"), ("track", "two"), ("track", "1.5"), ("vad_filter", "perhaps"),
        ("chunking_strategy", '{"type": "server_vad", "threshold": 2}'),
        ("chunking_strategy", '{"type": "server_vad", "threshold": NaN}'),
        ("chunking_strategy", '{"type": "server_vad", "silence_duration_ms": -1}'),
        ("chunking_strategy", '{"type": "server_vad", "prefix_padding_ms": true}'),
    ],
)  # fmt: skip
def test_what_cannot_be_listened_to_is_refused(name: str, value: str) -> None:
    with pytest.raises(ApiError) as caught:
        read((name, value))
    assert (caught.value.code, caught.value.param) == ("invalid_value", name)


@pytest.mark.parametrize("route", ROUTES)
def test_without_a_model_the_default_is_taken(route: Route) -> None:
    parameters = read_parameters(read_form(Fields([]), route), route, MODELS, is_job=route == "job")
    assert (parameters.model, parameters.is_default_model) == ("base", True)


def test_an_unknown_model_is_refused() -> None:
    assert refused(("model", "huge")).code == "model_not_found"


def test_a_translation_is_translated_and_has_no_words() -> None:
    parameters = read(("response_format", "verbose_json"), ("timestamp_granularities[]", "word"), route="translation")
    assert (parameters.options.task, parameters.options.words, parameters.granularities) == (
        "translate", True, ("segment",),
    )  # fmt: skip


def test_a_jobs_own_fields() -> None:
    metadata = {"meeting": "Größe", "n": [1, 2.5, None]}
    parameters = read(
        ("task", "translate"), ("priority", "interactive"), ("metadata", json.dumps(metadata)), route="job", is_job=True
    )
    assert (parameters.options.task, parameters.priority, parameters.metadata) == ("translate", "interactive", metadata)
    assert read(route="job").priority == "batch"


@pytest.mark.parametrize(
    ("pair", "param"),
    [
        (("task", "sing"), "task"),
        (("priority", "urgent"), "priority"),
        (("metadata", "not json"), "metadata"),
        (("metadata", "[1]"), "metadata"),
        (("metadata", '{"x": NaN}'), "metadata"),
        (("metadata", '{"x": 1e999}'), "metadata"),
        (("metadata", '{"x": "\\ud800"}'), "metadata"),
        (("metadata", "[" * 9000), "metadata"),
        (("metadata", json.dumps({"x": "y" * 17_000})), "metadata"),
    ],
)
def test_a_jobs_bad_fields_are_refused(pair: tuple[str, str], param: str) -> None:
    error = refused(pair, route="job")
    assert (error.code, error.param) == ("invalid_value", param)


def ask(*pairs: tuple[str, str], **job: Any) -> tuple[str, tuple[str, ...], Layout]:
    return read_transcript_format(Fields(pairs), make_request("job_x", **job))


def test_a_transcript_comes_as_the_job_was_sent_or_as_it_is_asked_for() -> None:
    sent = {"response_format": "verbose_json", "granularities": ("word",)}
    assert ask(**sent) == ("verbose_json", ("word",), Layout())
    assert ask(("format", "srt"), **sent)[0] == "srt"
    words = (("format", "verbose_json"), ("timestamp_granularities", "word"))
    assert ask(*words) == ("verbose_json", ("word",), Layout())
    with pytest.raises(ApiError, match="no word times"):
        ask(*words, options=DecodeOptions(words=False))
    with pytest.raises(ApiError, match="'srt'") as caught:
        ask(("format", "odt"))
    assert caught.value.param == "format"


def test_a_transcript_is_laid_out_as_the_job_was_sent_or_as_it_is_asked_for() -> None:
    sent = Layout(max_line_width=32, highlight_words=True)
    assert ask(layout=sent)[2] == sent
    asked = ask(("max_line_width", "20"), ("highlight_words", "false"), ("paragraphs", "true"), layout=sent)[2]
    assert asked == Layout(max_line_width=20, paragraphs=True)
    for pair in (("max_line_width", "0"), ("max_line_count", "many"), ("max_words_per_line", "101")):
        with pytest.raises(ApiError, match="whole number") as caught:
            ask(pair)
        assert caught.value.param == pair[0]


def test_txt_means_text() -> None:
    assert ask(("format", "txt"))[0] == "text"


@pytest.mark.parametrize("pair", [("response_format", "docx"), ("timestamps", "true"), ("segments", "true")])
def test_what_shows_times_has_them(pair: tuple[str, str]) -> None:
    assert not read(("model", "base")).options.words
    assert read(("model", "base"), pair).options.words
