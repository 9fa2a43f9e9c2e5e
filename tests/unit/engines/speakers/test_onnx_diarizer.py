"""The diarizer on small random networks: pieces lie where the voice is, in the recording's time, always the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engines.base import SAMPLE_RATE, Piece
from engines.errors import Canceled, NoVoice
from engines.speakers.diarizer import Diarizer, SpeakerOptions, load_diarizer
from engines.speakers.local_voices import LocalPiece, local_pieces
from engines.speakers.networks.sessions import FRAME, Networks
from engines.speakers.voice_piece import VoicePiece
from tests import speech
from tests.unit.factories import make_window
from tests.voices import random_networks


@pytest.fixture(scope="module")
def diarizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Diarizer]:
    made = load_diarizer(SpeakerOptions(str(random_networks(tmp_path_factory.mktemp("networks"))), threads=2))
    yield made
    made.close()


def talk(*seconds: float) -> np.ndarray:
    """Noise and silence in turns."""
    parts = [speech.noise(each, 0.1, at) if at % 2 == 0 else speech.silence(each) for at, each in enumerate(seconds)]
    return np.concatenate(parts)


def test_pieces_lie_where_the_voice_is_and_are_no_longer_than_four_and_a_half_seconds(diarizer: Diarizer) -> None:
    window = replace(make_window(seconds=29), samples=talk(7.0, 2.0, 20.0))
    pieces = diarizer.pieces(window)
    assert pieces[0].start == 0.0
    assert pieces[-1].end == 29.0
    assert max(piece.seconds for piece in pieces) <= 4.5
    assert sum(piece.seconds for piece in pieces) == pytest.approx(27.0, abs=0.1)
    assert len({piece.chunk for piece in pieces}) == 3
    assert all(piece.voiceprint for piece in pieces)


def test_a_pause_that_the_window_leaves_out_is_in_no_piece(diarizer: Diarizer) -> None:
    cut = (Piece(5 * SAMPLE_RATE, 0, 2 * SAMPLE_RATE), Piece(60 * SAMPLE_RATE, 2 * SAMPLE_RATE, 2 * SAMPLE_RATE))
    spans = [
        span for piece in diarizer.pieces(replace(make_window(), samples=talk(4.0), pieces=cut)) for span in piece.spans
    ]
    assert spans[0][0] == 5.0
    assert spans[-1][1] == 62.0
    assert not [span for span in spans if span[0] < 59 and span[1] > 7.0]


def test_the_same_window_gives_the_same_pieces_from_any_thread(diarizer: Diarizer) -> None:
    windows = [replace(make_window(at, seconds=9), samples=talk(3.0, 1.0, 5.0)) for at in range(6)]
    futures = [diarizer.submit(window) for window in windows]
    for window, future in zip(windows, futures, strict=True):
        assert future.result(60) == diarizer.pieces(window)


def test_a_voiceprint_needs_half_a_second_of_speech(diarizer: Diarizer) -> None:
    assert diarizer.voiceprint(talk(2.0))
    for samples in (talk(0.4, 2.0), speech.silence(3.0), np.zeros(0, np.float32)):
        with pytest.raises(NoVoice):
            diarizer.voiceprint(samples)


def test_a_window_nobody_wants_is_not_heard(diarizer: Diarizer) -> None:
    with pytest.raises(Canceled):
        diarizer.submit(replace(make_window(seconds=3), is_canceled=lambda: True)).result(60)


def test_short_windows_have_pieces_or_none(diarizer: Diarizer) -> None:
    (piece,) = diarizer.pieces(replace(make_window(seconds=0.04), samples=talk(0.04)))
    assert piece == VoicePiece(0, 0, ((0.0, 0.04),), 0.04)
    assert diarizer.pieces(make_window(seconds=5)) == ()


def test_a_third_of_a_second_has_a_voiceprint_and_so_has_a_voice_that_others_talk_into(
    diarizer: Diarizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one a piece would follow its neighbour, whoever that is."""
    (short,) = diarizer.pieces(replace(make_window(seconds=0.2), samples=talk(0.2)))
    (longer,) = diarizer.pieces(replace(make_window(seconds=0.4), samples=talk(0.4)))
    assert (bool(short.voiceprint), bool(longer.voiceprint)) == (False, True)
    monkeypatch.setattr(Networks, "active", lambda *_: np.ones((58, 2), bool))
    both = diarizer.pieces(replace(make_window(seconds=1), samples=talk(1.0)))
    assert [(piece.clean, bool(piece.voiceprint)) for piece in both] == [(0.0, True), (0.0, True)]


def active(*voices: str) -> np.ndarray:
    return np.array([[letter == "x" for letter in voice] for voice in voices]).T


def pieces_of(*voices: str, level: np.ndarray[Any, np.dtype[np.float32]] | None = None) -> list[LocalPiece]:
    count = len(voices[0])
    return local_pieces(active(*voices), np.zeros(count, np.float32) if level is None else level, count * FRAME)


def test_a_run_ends_at_a_silence_and_where_somebody_else_is_alone() -> None:
    short, long = " " * 8, " " * 10  # 0.14 s and 0.17 s
    assert len(pieces_of(f"xxxx{short}xxxx{long}xxxx", " " * 30)) == 2
    assert len(pieces_of("xxxx  xxxx", "    xx    ")) == 3


def test_a_run_is_cut_where_it_is_quietest() -> None:
    """There another person may begin whom the segmentation takes for the same."""
    level = np.full(180, 60.0, np.float32)
    level[[20, 75, 150]] = 20.0
    first, second = pieces_of("x" * 180, level=level)  # 3 s: two pieces
    assert first.spans[0][1] == second.spans[0][0] == pytest.approx(75 * FRAME, abs=2 * FRAME)


def test_clean_speech_is_what_nobody_else_speaks_in() -> None:
    first, second = pieces_of("xxxxxx    ", "    xxxxxx")
    assert (first.voice, second.voice) == (0, 1)
    assert first.clean_seconds < sum(end - start for start, end in first.spans)
    assert second.spans[0][1] == 10 * FRAME
