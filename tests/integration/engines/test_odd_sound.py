"""Real weights write down odd sound as a person would, at its own time, and nothing where nobody speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.base import DecodeOptions, Listening
from engines.decoding.batcher import Batcher
from engines.decoding.transcriber import Transcription
from engines.registry import EngineOptions, create_engine
from engines.transcript import Transcript
from tests import accuracy, odd_media, speech, wordless
from tests.conftest import ROOT
from tests.speech import Recording

RATE = 16_000
TEXT = (
    "Good morning everyone, and thank you for joining on such short notice.",
    "The first item on the agenda is the delay in the northern warehouse.",
)

Samples = NDArray[np.float32]
Write = Callable[[Path, Samples], Path]


@pytest.fixture(scope="module")
def batcher(base_model: Path) -> Iterator[Batcher]:
    engine = create_engine("faster-whisper", EngineOptions(model=str(base_model), device="cpu", compute_type="int8"))
    batcher = Batcher(engine)
    batcher.start()
    yield batcher
    batcher.close()


@pytest.fixture(scope="module")
def talk() -> Recording:
    return speech.speak(TEXT, [0.3, 0.6])


def heard(batcher: Batcher, path: Path, **listening: Any) -> Transcript:
    options = DecodeOptions(language="en", words=True, listening=Listening(**listening))
    transcription = Transcription(batcher, path, options, "batch", 1e6)
    for _ in transcription:
        pass
    transcript = transcription.transcript()
    times = [edge for word in transcript.words for edge in (word.start, word.end)]
    assert all(before <= after for before, after in pairwise(times))
    assert all(0 <= at <= transcript.duration for at in times)
    return transcript


def codes(transcript: Transcript) -> list[str]:
    return [warning.code for warning in transcript.warnings]


def all_of_it(transcript: Transcript, mistakes: int = 1) -> bool:
    found = accuracy.word_errors(" ".join(TEXT), transcript.text)
    return found.rate * found.words <= mistakes + 0.01


def pcm(path: Path, samples: Samples) -> Path:
    return odd_media.wav(path, odd_media.as_int16(samples))


def with_a_number(value: float) -> Write:
    def write(path: Path, samples: Samples) -> Path:
        return odd_media.wav(path, np.where(np.arange(len(samples)) == 20_000, np.float32(value), samples))

    return write


def on_channel(at: int, channels: int) -> Write:
    def write(path: Path, samples: Samples) -> Path:
        sound = np.zeros((channels, len(samples)), np.float32)
        sound[at] = samples
        return pcm(path, sound)

    return write


ODD: dict[str, tuple[Write, list[str]]] = {
    "a NaN": (with_a_number(np.nan), ["damaged_input"]),
    "an infinity": (with_a_number(np.inf), ["damaged_input"]),
    "integers as floats": (lambda path, talk: odd_media.wav(path, talk * np.float32(32_768)), ["rescaled_input"]),
    "an offset of three": (lambda path, talk: odd_media.wav(path, talk + np.float32(3)), []),
    "an offset of 6 %": (lambda path, talk: pcm(path, talk * np.float32(0.04) + np.float32(0.06)), []),
    "-60 dB": (lambda path, talk: pcm(path, talk * np.float32(2e-3)), []),
    "-70 dB": (lambda path, talk: pcm(path, talk * np.float32(6.3e-4)), []),
    "right is left upside down": (lambda path, talk: pcm(path, np.stack([talk, -talk])), []),
    "the fourth of six channels": (on_channel(3, 6), []),
    "the last of 24 channels": (on_channel(23, 24), []),
    "the 50th of 64 channels": (on_channel(49, 64), []),
    "a hiss on another channel, louder": (
        lambda path, talk: pcm(path, np.stack([speech.noise(len(talk) / RATE, 0.2), talk * np.float32(0.2)])),
        [],
    ),
    "a second track": (
        lambda path, talk: odd_media.tracks(path.with_suffix(".mp4"), [np.zeros_like(talk), talk]),
        ["other_tracks"],
    ),
    "a pipe": (lambda path, talk: odd_media.wav(path, odd_media.as_int16(talk), claimed=0x7FFFFFFF), []),
    "too small a length": (lambda path, talk: odd_media.wav(path, odd_media.as_int16(talk), claimed=len(talk)), []),
}  # fmt: skip


# Of the others the sound itself is held against the talk's, in tests/integration/audio/test_odd_sound.py.
HEARD_EACH_TIME = ("an offset of 6 %", "-70 dB", "the last of 24 channels", "a second track")


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in HEARD_EACH_TIME else pytest.mark.slow) for kind in ODD]
)
def test_all_words_are_there(batcher: Batcher, talk: Recording, tmp_path: Path, kind: str) -> None:
    write, warnings = ODD[kind]
    transcript = heard(batcher, write(tmp_path / "a.wav", talk.samples))
    assert all_of_it(transcript, 3 if kind == "-70 dB" else 1), transcript.text
    assert codes(transcript) == warnings


def test_a_whisper_is_heard_whole(batcher: Batcher) -> None:
    """Its first sentence is lost if no noise is added to its digital silence."""
    transcript = heard(batcher, ROOT / "samples" / "whisper.flac")
    assert all_of_it(transcript), transcript.text
    assert codes(transcript) == []


@pytest.mark.parametrize("suffix", ["mkv", pytest.param("mp4", marks=pytest.mark.slow)])
def test_sound_that_begins_late_is_timed_as_a_player_shows_it(
    batcher: Batcher, talk: Recording, tmp_path: Path, suffix: str
) -> None:
    transcript = heard(batcher, odd_media.restamped(tmp_path / f"a.{suffix}", talk.samples, lambda at: at + 4.9, "aac"))
    assert all_of_it(transcript)
    assert transcript.words[0].start == pytest.approx(4.9 + talk.sentences[0].start, abs=0.35)
    assert transcript.words[-1].end == pytest.approx(4.9 + talk.sentences[-1].end, abs=0.35)
    assert codes(transcript) == []


def test_a_gap_in_a_call_moves_what_follows(batcher: Batcher, talk: Recording, tmp_path: Path) -> None:
    pause = (talk.sentences[0].end + talk.sentences[1].start) / 2
    path = odd_media.restamped(tmp_path / "a.webm", talk.samples, lambda at: at if at < pause else at + 20)
    transcript = heard(batcher, path)
    assert all_of_it(transcript)
    first = next(word for word in transcript.words if word.start > pause + 0.2)
    assert first.start == pytest.approx(talk.sentences[1].start + 20, abs=0.35)
    assert transcript.duration == pytest.approx(talk.seconds + 20, abs=0.1)
    assert codes(transcript) == []


@pytest.mark.parametrize("seconds", [30, *(pytest.param(each, marks=pytest.mark.slow) for each in (300, 900))])
def test_the_first_word_after_digital_silence_is_there(
    batcher: Batcher, talk: Recording, tmp_path: Path, seconds: int
) -> None:
    """A track of one speaker, muted while others talk."""
    margin = round((talk.sentences[0].start - 0.02) * RATE)
    turn = talk.samples[margin:]
    transcript = heard(batcher, pcm(tmp_path / "a", np.concatenate([turn, speech.silence(seconds), turn])))
    assert transcript.text.lower().count("good morning") == 2
    assert all(word.end - word.start < 3 for word in transcript.words)


def hum(seconds: float) -> Samples:
    return (0.02 * np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * 50 / RATE)).astype(np.float32)


WORDLESS: dict[str, tuple[Callable[[float], Samples], bool]] = {  # and whether there is anything to hear
    "silence": (speech.silence, False),
    "a room": (lambda seconds: speech.noise(seconds, 3e-4), False),
    "noise": (speech.noise, True),
    "a tune": (speech.tone, True),
    "a tune far away": (lambda seconds: speech.tone(seconds) * np.float32(1e-3), False),
    "a hum": (hum, True),
    "typing": (wordless.typing, True),
    "breathing": (wordless.breathing, True),
    "applause": (wordless.applause, True),
}


def says_nothing(batcher: Batcher, path: Path, kind: str, seconds: float) -> None:
    make, is_heard = WORDLESS[kind]
    transcript = heard(batcher, pcm(path, make(seconds)))
    assert transcript.text == ""
    assert transcript.duration == pytest.approx(seconds)
    assert codes(transcript) == (["no_words_found"] if is_heard else [])


@pytest.mark.parametrize("kind", WORDLESS)
def test_where_nobody_speaks_there_are_no_words(batcher: Batcher, tmp_path: Path, kind: str) -> None:
    says_nothing(batcher, tmp_path / "a", kind, 60)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", WORDLESS)
def test_nor_are_there_in_ten_minutes(batcher: Batcher, tmp_path: Path, kind: str) -> None:
    """Takes half a minute for each: so long to make, to write and to listen to."""
    says_nothing(batcher, tmp_path / "a", kind, 600)


def test_a_track_can_be_chosen_and_voice_activity_left_out(batcher: Batcher, talk: Recording, tmp_path: Path) -> None:
    path = odd_media.tracks(tmp_path / "a.mkv", [speech.tone(talk.seconds), talk.samples])
    assert "other_tracks" in codes(heard(batcher, path, track=1))
    everything = heard(batcher, pcm(tmp_path / "b", talk.samples), voice_activity=False)
    assert all_of_it(everything)
