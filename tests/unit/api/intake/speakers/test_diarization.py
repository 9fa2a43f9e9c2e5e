"""What a request says of its speakers: in every spelling, and each contradiction refused by its name."""

from __future__ import annotations

import base64
import importlib.util
from pathlib import Path

import pytest

from api.http.errors import ApiError
from api.intake.speakers.diarization import check_possible
from api.intake.speakers.references import MAX_URL
from engines.speakers.networks.availability import EMBEDDING, PACKAGE, SEGMENTATION, check_installed, converted
from tests.unit.api.intake.test_parameters import read, refused
from worker.store.records import Diarization

DIARIZED = ("response_format", "diarized_json")
URL = "data:audio/wav;base64," + base64.b64encode(b"RIFF some sound").decode()


def known(*names: str) -> list[tuple[str, str]]:
    pairs = [("known_speaker_names[]", name) for name in names]
    return [*pairs, *(("known_speaker_references[]", URL) for _ in names)]


def test_diarized_json_asks_for_speakers_and_so_does_diarize() -> None:
    assert read().diarization is None
    assert read(DIARIZED).diarization == Diarization()
    assert read(("diarize", "true"), ("response_format", "srt")).diarization == Diarization()
    assert read(("diarize", "false"), DIARIZED).diarization == Diarization()  # a client's default, sent along
    assert read(DIARIZED).options.words
    assert read(DIARIZED, ("stream", "true")).stream


@pytest.mark.parametrize("response_format", ["json", "text", "verbose_json", "srt", "vtt"])
def test_the_models_name_alone_asks_for_none(response_format: str) -> None:
    asked = read(("model", "gpt-4o-transcribe-diarize"), ("response_format", response_format))
    assert asked.diarization is None


def test_numbers_of_speakers() -> None:
    counts = read(DIARIZED, ("min_speakers", "2"), ("max_speakers", "4")).diarization
    assert counts == Diarization(min_speakers=2, max_speakers=4)
    assert read(DIARIZED, ("num_speakers", "3")).diarization == Diarization(num_speakers=3)


@pytest.mark.parametrize("strategy", ["auto", "null", '{"type": "server_vad", "threshold": 0.4}'])
def test_a_chunking_strategy_goes_with_it(strategy: str) -> None:
    assert read(DIARIZED, ("chunking_strategy", strategy)).diarization == Diarization()


def test_known_speakers_are_pairs() -> None:
    asked = read(DIARIZED, *known("Anna", "Müller, Ben")).diarization
    assert asked == Diarization(known_names=("Anna", "Müller, Ben"))
    listed = read(DIARIZED, ("known_speaker_names", "Anna, Ben"), ("known_speaker_references", f"{URL},{URL}"))
    assert listed.diarization == Diarization(known_names=("Anna", "Ben"))
    as_json = read(DIARIZED, ("known_speaker_names", '["a,b"]'), ("known_speaker_references[0]", URL)).diarization
    assert as_json == Diarization(known_names=("a,b",))


@pytest.mark.parametrize(
    ("pairs", "param", "says"),
    [
        ([("num_speakers", "2")], "num_speakers", "diarize"),
        (known("Anna"), "known_speaker_names", "diarized_json"),
        ([DIARIZED, ("num_speakers", "0")], "num_speakers", "1 to 100"),
        ([DIARIZED, ("num_speakers", "two")], "num_speakers", "whole number"),
        ([DIARIZED, ("max_speakers", "101")], "max_speakers", "1 to 100"),
        ([DIARIZED, ("min_speakers", "3"), ("max_speakers", "2")], "min_speakers", "no such number"),
        ([DIARIZED, ("num_speakers", "3"), ("max_speakers", "2")], "num_speakers", "between"),
        ([DIARIZED, ("num_speakers", "3"), ("min_speakers", "4")], "num_speakers", "between"),
        ([DIARIZED, ("known_speaker_names[]", "Anna")], "known_speaker_references", "one reference"),
        ([DIARIZED, ("known_speaker_references[]", URL)], "known_speaker_names", "each name"),
        ([DIARIZED, *known("Anna", "Anna")], "known_speaker_names", "twice"),
        ([DIARIZED, *known("A\nB")], "known_speaker_names", "line break"),
        ([DIARIZED, *known("A\ufffe")], "known_speaker_names", "control character"),
        ([DIARIZED, *known("\u202e\u200b")], "known_speaker_names", "empty"),
        ([DIARIZED, *known("\u3164")], "known_speaker_names", "empty"),
        ([DIARIZED, *known("Anna", "An\u200bna")], "known_speaker_names", "twice"),
        ([DIARIZED, *known("x" * 101)], "known_speaker_names", "100"),
        ([DIARIZED, *known(*"ABCDE")], "known_speaker_references", "at most 4"),
        ([DIARIZED, ("known_speaker_references[]", "https://a/b.wav")], "known_speaker_references", "data URL"),
        ([DIARIZED, ("known_speaker_references[]", "data:audio/wav,abc")], "known_speaker_references", "base64"),
        (
            [DIARIZED, ("known_speaker_references[]", "data:audio/wav;base64," + "A" * MAX_URL)],
            "known_speaker_references",
            "far smaller",
        ),
        ([DIARIZED, ("known_speaker_references[]", f"{URL}*")], "known_speaker_references", "damaged"),
        (
            [DIARIZED, ("known_speaker_references[]", "data:;base64,")],
            "known_speaker_references",
            "without a recording",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(pairs: list[tuple[str, str]], param: str, says: str) -> None:
    error = refused(*pairs)
    assert (error.status, error.code, error.param) == (400, "invalid_value", param)
    assert says in error.message


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("\u202eanna\u202c", "anna"),  # turned around
        ("\u2066Anna\u2069 \u200f", "Anna"),
        ("\ufeffAn\u00adna\u2060\U000e0041", "Anna"),
        ("\u06a9\u06cc\u200c\u0645\u0646\u200c", "\u06a9\u06cc\u200c\u0645\u0646"),  # Persian is spelled with joiners
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("Anna.\u00a0", "Anna."),
    ],
)
def test_a_name_has_no_signs_that_nobody_sees(sent: str, kept: str) -> None:
    assert read(DIARIZED, *known(sent)).diarization == Diarization(known_names=(kept,))


def test_a_translation_has_speakers_in_other_formats_only() -> None:
    translate = ("task", "translate")
    assert read(translate, ("diarize", "true"), route="job", is_job=True).diarization == Diarization()
    assert refused(translate, DIARIZED, route="job").param == "response_format"
    assert refused(DIARIZED, route="translation").param == "response_format"
    assert read(("diarize", "true"), route="translation").diarization is None


def test_a_server_without_networks_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == PACKAGE else found(name, *more)
    )
    with pytest.raises(ApiError) as caught:
        check_possible(Diarization(), lambda: check_installed("auto", tmp_path))
    assert (caught.value.status, caught.value.code) == (400, "unsupported_parameter")
    assert "make engine EXTRA=speakers" in caught.value.message
    check_possible(None, lambda: check_installed("auto", tmp_path))
    check_installed("fake", tmp_path)
    converted(tmp_path).mkdir(parents=True)
    for name in (SEGMENTATION, EMBEDDING):  # converted by an earlier start
        (converted(tmp_path) / name).touch()
    check_installed("auto", tmp_path)
