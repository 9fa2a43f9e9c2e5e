"""One description of the form: what is parsed is what is documented, and what is documented is parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.http.errors import ApiError
from api.http.fields import Fields
from api.intake.form import ROUTES, Form, Route
from api.intake.form_document import form_fields, form_operation, wire_name
from api.intake.form_reading import read_form

# A value of each field that is not its default, as a client would send it.
SENT: dict[str, tuple[str, Any]] = {
    "filename": ("talk.wav", "talk.wav"),
    "model": (" base ", "base"),
    "task": (" Translate", "translate"),
    "language": ("German", "de"),
    "languages": ("EN", ("en",)),
    "multilingual": ("on", True),
    "prompt": ("Kubernetes, ", "Kubernetes, "),
    "hotwords": ("RQ", "RQ"),
    "keywords": ("Redis", ("Redis",)),
    "temperature": (" 0.4", 0.4),
    "response_format": (" SRT", "srt"),
    "timestamp_granularities": ("Word", ("word",)),
    "max_line_width": ("32", 32),
    "max_line_count": (" 1", 1),
    "max_words_per_line": ("4", 4),
    "highlight_words": ("true", True),
    "timestamps": ("yes", True),
    "paragraphs": ("1", True),
    "segments": ("on", True),
    "stream": ("1", True),
    "priority": ("Interactive ", "interactive"),
    "metadata": ('{"n": 1}', {"n": 1}),
    "url": (" https://example.com/a.mp3 ", "https://example.com/a.mp3"),
    "webhook_url": (" https://example.com/ ", "https://example.com/"),
    "webhook_headers": ('{"X-Key": "1"}', {"X-Key": "1"}),
    "webhook_include": ("Text,SEGMENTS", ("text", "segments")),
    "track": ("2", 2),
    "vad_filter": ("off", False),
    "include": ("LogProbs", ("logprobs",)),
    "chunking_strategy": ('{"type": "server_vad"}', {"type": "server_vad"}),
    "diarize": ("true", True),
    "num_speakers": ("2", 2),
    "min_speakers": ("2", 2),
    "max_speakers": ("3", 3),
    "known_speaker_names": ("Anna, B.", ("Anna, B.",)),
    "known_speaker_references": ("data:audio/wav;base64,AAAA", (b"\0\0\0",)),
}


def documented(route: Route, kind: str = "multipart/form-data") -> dict[str, Any]:
    schema: dict[str, Any] = form_operation(route)["requestBody"]["content"][kind]["schema"]
    return schema


def test_the_test_has_a_value_for_every_field() -> None:
    assert set(SENT) == set(Form.model_fields) - {"file"}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", SENT)
def test_a_field_is_read_on_the_routes_that_have_it(name: str, route: Route) -> None:
    text, value = SENT[name]
    use, schema = form_fields()[name]
    form = read_form(Fields([(wire_name(name, schema), text)]), route)
    assert getattr(form, name) == (value if route in use.routes else Form.model_fields[name].default)


@pytest.mark.parametrize("route", ROUTES)
def test_the_document_has_every_field_of_a_route_with_its_meaning(route: Route) -> None:
    properties = documented(route)["properties"]
    uses = {name: use for name, (use, _) in form_fields().items() if route in use.routes and use.body != "query"}
    assert {name.removesuffix("[]") for name in properties} == set(uses)
    assert all(schema["description"] for schema in properties.values())
    assert all("anyOf" in schema or schema["type"] != "null" for schema in properties.values())


def test_limits_choices_and_defaults_are_said() -> None:
    fields = documented("job")["properties"]
    assert (fields["temperature"]["minimum"], fields["temperature"]["maximum"]) == (0, 1)
    assert fields["response_format"]["enum"] == [
        "json", "text", "srt", "verbose_json", "vtt", "diarized_json", "md", "docx", "csv", "tsv",
    ]  # fmt: skip
    assert fields["response_format"]["default"] == "json"
    assert fields["timestamp_granularities[]"]["items"]["enum"] == ["segment", "word"]
    assert fields["stream"] == {"type": "boolean", "default": False, "description": fields["stream"]["description"]}
    assert fields["prompt"]["maxLength"] == 10_000
    assert "default" not in fields["language"]


def test_what_has_no_effect_is_said() -> None:
    job, translation = documented("job")["properties"], documented("translation")["properties"]
    assert translation["timestamp_granularities[]"]["description"].startswith("Without effect:")
    assert not job["timestamp_granularities[]"]["description"].startswith("Without effect:")


def test_a_recording_as_the_body_has_the_fields_in_the_query() -> None:
    assert documented("job", "audio/*") == documented("job")["properties"]["file"]
    query = {row["name"]: row["schema"] for row in form_operation("job")["parameters"] if row["in"] == "query"}
    known = {"known_speaker_names[]", "known_speaker_references[]"}  # too large for a query
    assert set(query) == {*documented("job")["properties"], "filename"} - {"file"} - known
    assert set(form_operation("transcription")["requestBody"]["content"]) == {"multipart/form-data"}
    assert [row["in"] for row in form_operation("transcription")["parameters"]] == ["header", "header"]


def test_hotwords_and_keywords_are_limited_together() -> None:
    half = "x" * 5_000
    with pytest.raises(ApiError, match="10000 characters") as caught:
        read_form(Fields([("hotwords", half), ("keywords[]", half)]), "job")
    assert (caught.value.code, caught.value.param) == ("invalid_value", "keywords")


def test_a_waiting_clients_bad_webhook_field_is_told_as_a_jobs_is() -> None:
    for route in ROUTES:
        with pytest.raises(ApiError) as caught:
            read_form(Fields([("webhook_headers", "{")]), route)
        assert (caught.value.code, caught.value.param) == ("invalid_value", "webhook_headers")


# ---- spellings -----------------------------------------------------------------------------------------------------

LISTS = {
    "include": ("include", "logprobs"),
    "timestamp_granularities": ("timestamp_granularities", "word"),
    "languages": ("languages", "de"),
    "keywords": ("keywords", "Redis"),
    "webhook_include": ("webhook_include", "text"),
}
SECOND = {"timestamp_granularities": "segment", "languages": "en", "keywords": "RQ", "webhook_include": "segments"}


def spelled(name: str, one: str, two: str) -> list[list[tuple[str, str]]]:
    """Two values as clients send them."""
    return [
        [(f"{name}[]", one), (f"{name}[]", two)],  # PHP, OpenAI's SDKs
        [(f"{name}[0]", one), (f"{name}[1]", two)],  # qs, axios
        [(name, one), (name, two)],
        [(name, f"{one},{two}")],
        [(name, f" {one} , {two} ,")],
        [(f"{name}[]", f"{one},{two}")],
        [(name, f'["{one}", "{two}"]')],  # LiteLLM, and whoever sends what they have as JSON
        [(f"{name}[]", f'["{one}","{two}"]')],
        [(name, one), (f"{name}[7]", two)],
        [(f"{name}%5B%5D", one), (f" {name}%5b1%5d", two)],  # as in a URL
    ]


@pytest.mark.fault(78)
@pytest.mark.parametrize("how", range(10))
@pytest.mark.parametrize("name", SECOND)
def test_a_list_is_read_in_every_spelling(name: str, how: int) -> None:
    one, two = LISTS[name][1], SECOND[name]
    assert getattr(read_form(Fields(spelled(name, one, two)[how]), "job"), name) == (one, two)


@pytest.mark.fault(78)
@pytest.mark.parametrize("how", range(10))
def test_what_is_refused_is_refused_in_every_spelling(how: int) -> None:
    with pytest.raises(ApiError) as caught:
        read_form(Fields(spelled("include", "logprobs", "usage")[how]), "transcription")
    assert (caught.value.code, caught.value.param) == ("invalid_value", "include")


@pytest.mark.fault(78)
@pytest.mark.parametrize("name", [*LISTS, "model", "language", "prompt", "temperature", "metadata", "webhook_headers"])
@pytest.mark.parametrize("behind", ["[0][1]", "[a][b]", "[", "[0", ".0", "[]x", "[[]]", "[0]]", "[\u0661", "]", "%5B"])
def test_a_spelling_that_nobody_has_is_refused_by_the_fields_name(name: str, behind: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_form(Fields([(name + behind, "word")]), "job")
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "invalid_value", name)
    assert name in caught.value.message


@pytest.mark.fault(78)
@pytest.mark.parametrize(
    ("pairs", "name", "value"),
    [
        ([("metadata[a]", "1"), ("metadata[b]", "x")], "metadata", {"a": "1", "b": "x"}),
        ([("metadata", '{"a": 1}')], "metadata", {"a": 1}),
        ([("webhook_headers[X-Key]", "1")], "webhook_headers", {"X-Key": "1"}),
        ([("chunking_strategy[type]", "server_vad")], "chunking_strategy", {"type": "server_vad"}),
    ],
)
def test_an_object_is_read_in_both_spellings(pairs: list[tuple[str, str]], name: str, value: object) -> None:
    assert getattr(read_form(Fields(pairs), "job"), name) == value


@pytest.mark.fault(78)
def test_a_list_of_texts_may_hold_brackets_and_be_empty() -> None:
    assert read_form(Fields([("keywords", "[laughs]")]), "job").keywords == ("[laughs]",)
    assert read_form(Fields([("keywords", "[]"), ("languages[]", "")]), "job").keywords == ()
    for hostile in ("[" * 60_000, "[1]", '[["word"]]', "[null]"):
        with pytest.raises(ApiError) as caught:
            read_form(Fields([("timestamp_granularities", hostile)]), "job")
        assert caught.value.param == "timestamp_granularities"


# ---- metadata ------------------------------------------------------------------------------------------------------


def nested(depth: int, kind: str = "object") -> str:
    left, right = ('{"a":', "}") if kind == "object" else ("[", "]")
    return '{"a":' + left * (depth - 1) + "1" + right * (depth - 1) + "}"


@pytest.mark.fault(75)
@pytest.mark.parametrize("text", [nested(17), nested(17, "list"), nested(256), nested(300), nested(2000)])
def test_metadata_that_is_deep_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="16 deep") as caught:
        read_form(Fields([("metadata", text)]), "job")
    assert (caught.value.code, caught.value.param) == ("invalid_value", "metadata")


@pytest.mark.fault(75)
def test_metadata_with_many_keys_or_bytes_is_refused() -> None:
    many = json.dumps({"a": {str(number): 0 for number in range(256)}})
    with pytest.raises(ApiError, match="256 keys"):
        read_form(Fields([("metadata", many)]), "job")
    with pytest.raises(ApiError, match="16384 bytes"):
        read_form(Fields([("metadata[a]", "x" * 20_000)]), "job")
    assert read_form(Fields([("metadata", nested(16))]), "job").metadata
    assert len(read_form(Fields([("metadata", json.dumps({str(n): n for n in range(256)}))]), "job").metadata) == 256


@pytest.mark.parametrize("name", ["include", "languages", "timestamp_granularities", "webhook_include"])
def test_halves_of_signs_in_a_list_are_refused_in_words_that_can_be_sent(name: str) -> None:
    with pytest.raises(ApiError) as raised:
        read_form(Fields([(name, '["\\ud800"]')]), "job")
    assert (raised.value.code, raised.value.param) == ("invalid_value", name)
    assert raised.value.response().body


def test_halves_of_signs_in_phrases_become_marks() -> None:
    assert read_form(Fields([("keywords", '["a\\ud800"]')]), "job").keywords == ("a\ufffd",)
