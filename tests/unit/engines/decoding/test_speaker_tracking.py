"""Windows are heard a few at a time, in any order, and put together at the end; what was heard before is not again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from engines.base import SAMPLE_RATE, Window
from engines.decoding.speaker_references import KnownSpeaker, read_reference
from engines.decoding.speaker_tracking import Pieces, SpeakerTracking, SpeakerWishes
from engines.errors import InvalidReference, OutOfMemory
from engines.speakers.fake_diarizer import FakeDiarizer
from engines.speakers.turns import SpeakerCount
from engines.transcript import Speaker
from tests import media
from tests.unit.factories import make_segment, make_window


def hum(index: int, *pitches: float) -> Window:
    """A window in which each pitch hums for 2 s."""
    parts = [0.3 * np.sin(2 * np.pi * pitch * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE) for pitch in pitches]
    samples = np.concatenate(parts).astype(np.float32) if parts else np.zeros(2 * SAMPLE_RATE, np.float32)
    length = len(samples) / SAMPLE_RATE
    return replace(make_window(index, length, 10.0 * index), samples=samples)


@dataclass
class Held:
    """A diarizer whose windows end when the test says so."""

    name: str = "held"
    asked: list[tuple[int, Future[Pieces]]] = field(default_factory=list)
    heard: FakeDiarizer = field(default_factory=FakeDiarizer)

    def submit(self, window: Window) -> Future[Pieces]:
        self.asked.append((window.index, Future()))
        return self.asked[-1][1]

    def pieces(self, window: Window) -> Pieces:
        return self.heard.pieces(window)

    def voiceprint(self, samples: media.Samples) -> str:
        return self.heard.voiceprint(samples)

    def close(self) -> None:
        self.heard.close()


@dataclass
class Kept:
    lines: dict[int, Pieces] = field(default_factory=dict)

    def voices(self, window: Window) -> Pieces | None:
        return self.lines.get(window.index)

    def save_voices(self, window: Window, pieces: Pieces) -> None:
        self.lines[window.index] = pieces


@pytest.fixture
def diarizer() -> Iterator[FakeDiarizer]:
    made = FakeDiarizer()
    yield made
    made.close()


def opened(tracking: SpeakerTracking) -> SpeakerTracking:
    tracking.open()
    return tracking


def test_a_recording_has_a_few_windows_in_hand_and_no_more() -> None:
    held = Held()
    tracking = opened(SpeakerTracking(held, at_once=2))
    windows = [hum(index, 200) for index in range(4)]
    for window in windows:
        tracking.submit(window)
    assert [index for index, _ in held.asked] == [0, 1]
    held.asked[1][1].set_result(held.pieces(windows[1]))
    assert [index for index, _ in held.asked] == [0, 1, 2]
    held.close()


def test_a_resumed_run_hears_only_what_is_missing_and_says_the_same() -> None:
    kept, windows = Kept(), [hum(0, 200, 400), hum(1, 400), hum(2), hum(3, 600, 200)]
    segments = [make_segment(0, 0.1, 1.9), make_segment(1, 2.1, 3.9), make_segment(2, 30.1, 31.9)]
    told = []
    for _ in range(2):
        held = Held()
        tracking = opened(SpeakerTracking(held, 4, kept=kept))
        for window in windows:
            tracking.submit(window)
        for index, future in reversed(held.asked):
            future.set_result(held.pieces(windows[index]))
        labels = [tracking.heard(window).at(window.start, window.end) for window in windows]
        told.append((len(held.asked), labels, tracking.settled(segments)))
        held.close()
    assert [count for count, _, _ in told] == [4, 0]
    assert told[0][1:] == told[1][1:]
    found, speakers = told[0][2]
    assert [segment.speaker for segment in found] == ["A", "B", "C"]
    assert speakers == (Speaker("A", 4.0), Speaker("B", 4.0), Speaker("C", 2.0))


def test_a_canceled_run_waits_for_nothing_that_has_not_begun() -> None:
    held, kept = Held(), Kept()
    tracking = opened(SpeakerTracking(held, kept=kept))
    for index in range(2):
        tracking.submit(hum(index, 200))
    tracking.cancel()
    held.asked[0][1].set_result(())
    tracking.heard(hum(0, 200))
    with pytest.raises(CancelledError):
        tracking.heard(hum(1, 200))
    with pytest.raises(CancelledError):
        tracking.submit(hum(2, 200))
    assert (len(held.asked), kept.lines) == (1, {0: ()})
    held.close()


def test_what_hearing_raises_reaches_who_waits() -> None:
    held = Held()
    tracking = opened(SpeakerTracking(held))
    tracking.submit(hum(0, 200))
    held.asked[0][1].set_exception(OutOfMemory())
    with pytest.raises(OutOfMemory):
        tracking.heard(hum(0, 200))
    held.close()


def test_words_without_a_voice_are_the_first_speakers(diarizer: FakeDiarizer) -> None:
    tracking = opened(SpeakerTracking(diarizer))
    tracking.submit(hum(0))
    assert tracking.heard(hum(0)).at(0.0, 1.0) == "A"
    segments, speakers = tracking.settled([make_segment()])
    assert (segments[0].speaker, speakers) == ("A", (Speaker("A", 1.0),))
    assert tracking.settled([]) == ((), ())


def test_as_many_as_the_request_says(diarizer: FakeDiarizer) -> None:
    tracking = opened(SpeakerTracking(diarizer, 1, SpeakerWishes(SpeakerCount(exactly=1))))
    tracking.submit(hum(0, 200, 400))
    tracking.heard(hum(0, 200, 400))
    assert len(tracking.settled([make_segment()])[1]) == 1


@pytest.mark.parametrize(("seconds", "says"), [(1.5, "1.5 seconds"), (10.3, "longer than 10")])
def test_a_reference_has_its_length(diarizer: FakeDiarizer, tmp_path: Path, seconds: float, says: str) -> None:
    samples = 0.3 * np.sin(2 * np.pi * 200 * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    path = media.write(tmp_path / "anna.wav", samples.astype(np.float32))
    with pytest.raises(InvalidReference, match="'Anna'") as caught:
        read_reference(KnownSpeaker("Anna", path), diarizer)
    assert says in str(caught.value)
