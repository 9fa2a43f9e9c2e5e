"""Voice activity is found as a stream, at any level and after any pause, and in nothing but speech."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.audio.voice_activity import FRAME, speech_frames
from engines.audio.windows import MIN_SPEECH_FRAMES, PAD_FRAMES, SPEECH
from tests import media, speech, wordless
from tests.conftest import Sample

Samples = NDArray[np.float32]


def babble(seconds: float, seed: int = 0) -> Samples:
    """Noise in syllables: enough to make the network's probabilities rise and fall."""
    chance = np.random.default_rng(seed)
    count = round(seconds * 16_000)
    at = np.arange(count) / 16_000
    buzz = np.sign(np.sin(2 * np.pi * (120 + 20 * np.sin(2 * np.pi * 0.7 * at)) * at))
    syllables = np.maximum(0, np.sin(2 * np.pi * 3 * at)) * (np.sin(2 * np.pi * 0.3 * at) > -0.3)
    smooth = np.convolve(buzz + chance.normal(0, 0.3, count), np.ones(12) / 12, "same")
    return np.asarray(0.3 * smooth * syllables, np.float32)


def in_blocks(samples: Samples, sizes: Iterable[int]) -> Iterator[Samples]:
    start = 0
    for size in sizes:
        yield samples[start : start + size]
        start += size
    yield samples[start:]


def chances(samples: Samples, sizes: Iterable[int] = ()) -> Samples:
    parts = [probabilities for _, probabilities in speech_frames(in_blocks(samples, sizes))]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


@pytest.mark.parametrize("sizes", [[1024] * 300, [37] * 900, [1, 511, 512, 513, 70_000, 5]])
def test_the_stream_gives_the_same_however_it_is_cut(sizes: list[int]) -> None:
    samples = babble(12.3)
    whole = chances(samples)
    assert np.allclose(chances(samples, sizes)[:384], whole[:384], atol=0.05)
    assert whole.max() - whole.min() > 0.1, "the recording must move the network for this to mean anything"


def talk(sample: Sample) -> Samples:
    return media.read(sample.path)[: 16_000 * 4]


def spoken(samples: Samples) -> float:
    """The share of frames heard as speech."""
    return float((chances(samples, [16_000] * (len(samples) // 16_000)) >= SPEECH).mean())


@pytest.mark.parametrize("level", [1.0, 0.1, 1e-2, 1e-3, 10**-3.5])
def test_speech_is_heard_at_any_level(sample: Sample, level: float) -> None:
    loud = talk(sample)
    quiet = np.round(loud * level / np.abs(loud).max() * 32_767).astype(np.float32) / 32_768
    assert spoken(quiet) > 0.9 * spoken(loud)


PAUSES: dict[str, Callable[[Any], Any]] = {
    "digital silence": lambda at: 0 * at,
    "an offset": lambda at: 0.05 + 0 * at,
    "a hum": lambda at: 0.01 * np.sin(2 * np.pi * 50 * at),
    "a room": lambda at: np.random.default_rng(0).normal(0, 3e-4, len(at)),
    "the last bit": lambda at: np.round(np.random.default_rng(0).normal(0, 0.3, len(at))) / 32_768,
}


@pytest.mark.parametrize("kind", PAUSES)
@pytest.mark.parametrize("seconds", [5.0, 31.9, 120.3])
def test_the_first_word_after_any_pause_is_heard_in_time(sample: Sample, kind: str, seconds: float) -> None:
    words = talk(sample)
    begins = int(np.flatnonzero(np.abs(words) > 0.05)[0])
    pause = PAUSES[kind](np.arange(round(seconds * 16_000)) / 16_000).astype(np.float32)
    found = chances(np.concatenate([words, pause, words]), [16_000] * round(seconds))
    first = (len(words) + len(pause) + begins) // FRAME
    heard = first + int(np.argmax(found[first:] >= SPEECH))
    assert heard - first < PAD_FRAMES - 2


def over_a_telephone(samples: Samples) -> Samples:
    spectrum, hertz = np.fft.rfft(samples), np.fft.rfftfreq(len(samples), 1 / 16_000)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float32)


@pytest.mark.parametrize("level", [1.0, 0.02])
def test_speech_over_a_telephone_is_heard_as_any_other(sample: Sample, level: float) -> None:
    """Before low sounds were made again a fifth of it was."""
    talks = np.tile(np.pad(talk(sample), (0, 4 * 16_000)), 4) + speech.noise(32.0, 3e-4)
    assert spoken(over_a_telephone(talks) * np.float32(level)) > 0.8 * spoken(talks)


WORDLESS: dict[str, Callable[[float], Samples]] = {
    "noise": speech.noise,
    "tune": speech.tone,
    "typing": wordless.typing,
    "breathing": wordless.breathing,
    "applause": wordless.applause,
}


@pytest.mark.parametrize("kind", WORDLESS)
@pytest.mark.parametrize("level", [1.0, 1e-3])
def test_what_is_no_speech_is_not_heard_as_it_at_any_level(kind: str, level: float) -> None:
    sound = WORDLESS[kind](60.0) * np.float32(level)
    for each in (sound, over_a_telephone(sound)):
        assert (chances(each, [16_000] * 60) >= SPEECH).sum() < MIN_SPEECH_FRAMES


def test_frames_are_the_recording_padded_with_zeros() -> None:
    samples = babble(3.01)
    frames = np.concatenate([frames for frames, _ in speech_frames(in_blocks(samples, [1000] * 20))])
    assert frames.shape[1] == FRAME
    joined = frames.reshape(-1)
    assert np.array_equal(joined[: len(samples)], samples)
    assert not joined[len(samples) :].any()
    assert len(joined) - len(samples) < FRAME


def test_a_long_recording_comes_in_small_pieces() -> None:
    one_block = np.zeros(16_000, np.float32)
    sizes = [len(frames) * FRAME for frames, _ in speech_frames(one_block for _ in range(60))]
    assert sum(sizes) == 60 * 16_000
    assert max(sizes) <= 7 * 16_000


@pytest.mark.parametrize("level", [0.0, 0.001, 0.05])
def test_silence_and_noise_are_no_speech(level: float) -> None:
    noise = np.random.default_rng(1).normal(0, level, 5 * 16_000).astype(np.float32)
    assert chances(noise)[8:].max() < 0.35


def test_speech_is_heard_where_somebody_speaks(sample: Sample) -> None:
    voice = media.read(sample.path)
    silence = np.zeros(3 * 16_000, np.float32)
    found = chances(np.concatenate([silence, voice, silence])) >= 0.5
    spoken = slice(3 * 16_000 // FRAME, (3 * 16_000 + len(voice)) // FRAME)
    assert found[spoken].mean() > 0.6
    assert not found[: spoken.start - 2].any()
    assert not found[spoken.stop + 10 :].any()


def test_no_audio_gives_no_frames() -> None:
    assert len(chances(np.zeros(0, np.float32))) == 0
