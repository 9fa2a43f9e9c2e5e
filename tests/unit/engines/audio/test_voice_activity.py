"""Voice activity is found as a stream, with the same result as over the whole recording at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from faster_whisper.vad import get_vad_model
from numpy.typing import NDArray

from engines.audio.voice_activity import FRAME, speech_frames
from tests import media
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


@pytest.mark.parametrize("sizes", [[1024] * 300, [37] * 900, [1, 511, 512, 513, 70_000, 5], [0, 0, 33_000]])
def test_the_stream_gives_what_the_library_gives_for_the_whole(sizes: list[int]) -> None:
    samples = babble(12.3)
    padded = np.pad(samples, (0, -len(samples) % FRAME))
    whole = get_vad_model()(padded).reshape(-1)
    found = chances(samples, sizes)
    assert np.allclose(found, whole, atol=1e-4)
    assert whole.max() - whole.min() > 0.1, "the recording must move the network for this to mean anything"


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
    assert max(sizes) <= 4 * 16_000


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
