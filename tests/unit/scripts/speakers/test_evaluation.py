"""What the evaluation of speakers goes by: error rates as the field counts them, RTTM, composed meetings."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from engines.base import SAMPLE_RATE
from engines.speakers.networks import files
from engines.speakers.turns import Turn
from scripts import evaluate_speakers
from scripts.speakers.diarization_error import best_pairs, diarization_error
from scripts.speakers.meetings import Meeting, compose, read_voices
from scripts.speakers.rttm import read_rttm, write_rttm
from scripts.speakers.sound_file import write_wav
from tests import speech

REFERENCE = [Turn("Ada", 0.0, 10.0), Turn("Bob", 8.0, 14.0), Turn("Ada", 20.0, 22.0)]


def test_what_is_right_under_other_names_is_no_error() -> None:
    found = [Turn({"Ada": "B", "Bob": "A"}[turn.speaker], turn.start, turn.end) for turn in REFERENCE]
    error = diarization_error(REFERENCE, found)
    assert error.rate == 0
    assert error.spoken == 18.0
    assert error.mapping == {"A": "Bob", "B": "Ada"}


def test_missed_false_and_confused_seconds_are_counted_each() -> None:
    found = [Turn("A", 1.0, 9.0), Turn("A", 9.0, 14.0), Turn("B", 15.0, 16.0)]
    error = diarization_error(REFERENCE, found)
    missed = 1.0 + 1.0 + 1.0 + 2.0  # before 1, one of two from 8 to 10, and from 20 on
    assert (error.missed, error.false, error.confused) == pytest.approx((missed, 1.0, 4.0))
    assert error.rate == pytest.approx((missed + 1.0 + 4.0) / 18.0)


def test_a_collar_forgives_what_is_near_a_boundary() -> None:
    found = [Turn("A", 0.2, 10.2), Turn("B", 7.8, 14.2), Turn("A", 19.8, 22.2)]
    assert diarization_error(REFERENCE, found).rate > 0.05
    assert diarization_error(REFERENCE, found, 0.25).rate == 0


def test_nobody_and_nothing_found() -> None:
    assert diarization_error([], []).rate == 0
    assert diarization_error(REFERENCE, []).rate == 1.0
    assert diarization_error([], REFERENCE).false == 18.0


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (2, 5), (5, 3), (1, 4)])
def test_the_best_pairs_are_the_best_of_all(rows: int, columns: int) -> None:
    worth = np.random.default_rng(rows * 10 + columns).uniform(0, 9, (rows, columns))
    tall = worth if rows >= columns else worth.T
    best = max(
        sum(tall[row, column] for column, row in enumerate(chosen))
        for chosen in itertools.permutations(range(len(tall)), tall.shape[1])
    )
    assert sum(worth[pair] for pair in best_pairs(worth)) == pytest.approx(best)


def test_rttm_comes_back_as_it_went(tmp_path: Path) -> None:
    write_rttm(tmp_path / "a.rttm", REFERENCE, "a")
    assert read_rttm(tmp_path / "a.rttm") == REFERENCE
    (tmp_path / "b.rttm").write_text("SPKR-INFO a\nSPEAKER a 1 x 1.0 <NA> <NA> Ada <NA> <NA>\n")
    with pytest.raises(ValueError, match=r"b\.rttm, line 2"):
        read_rttm(tmp_path / "b.rttm")


def test_a_meeting_says_exactly_who_speaks_when(tmp_path: Path) -> None:
    for number, name in enumerate(("ada-1.wav", "ada-2.wav", "bob-1.wav", "short-1.wav")):
        seconds = 2.0 if name.startswith("short") else 9.0
        write_wav(tmp_path / name, speech.noise(seconds, 0.05, number))
    voices = read_voices(tmp_path)
    assert list(voices) == ["ada", "bob"]
    meeting = Meeting(2, 60, 3, overlap=0.0, noise=0.0)
    samples, turns = compose(voices, meeting)
    assert {turn.speaker for turn in turns} == {"ada", "bob"}
    spoken = np.zeros(len(samples), bool)
    for turn in turns:
        spoken[round(turn.start * SAMPLE_RATE) : round(turn.end * SAMPLE_RATE)] = True
    outside, inside = np.square(samples[~spoken]).sum(), np.square(samples[spoken]).sum()
    assert outside < 0.01 * inside  # up to 10 ms after a turn
    again, same = compose(voices, meeting)
    assert same == turns
    assert np.array_equal(again, samples)


def test_a_telephone_leaves_nothing_above_its_band(tmp_path: Path) -> None:
    voices = {"ada": [speech.noise(9.0, 0.05, 1)]}
    samples, _ = compose(voices, Meeting(1, 20, telephone=True))
    power = np.square(np.abs(np.fft.rfft(samples)))
    above = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE) > 4000
    assert power[above].sum() < 1e-6 * power.sum()


def test_what_is_not_installed_is_said_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(files, "_directory", lambda: None)
    monkeypatch.setattr(evaluate_speakers, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["evaluate_speakers.py", "meeting.wav"])
    assert evaluate_speakers.main() == 1
    assert "make engine EXTRA=speakers" in capsys.readouterr().err
