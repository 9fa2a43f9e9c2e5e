"""What voice activity is unsure of is taken for speech beside speech, unless it is nothing like it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.audio.faint_speech import ALIKE, KEPT, LIFTED, REACH, with_faint_speech
from engines.audio.voice_activity import FRAME, speech_frames
from engines.audio.windows import PAD_FRAMES, SPEECH
from tests import speech

Floats = NDArray[np.float32]

SURE, UNSURE, NOT = 0.9, 0.1, 0.001  # probabilities of speech that is heard, that may be some, and of something else
ROOM, VOICE = 3e-4, 0.05  # levels


def hiss(frames: int, level: float) -> Floats:
    return np.random.default_rng(frames).normal(0, level, (frames, FRAME)).astype(np.float32)


def tune(frames: int) -> Floats:
    return np.resize(speech.tone(frames * FRAME / speech.SAMPLE_RATE + 1), (frames, FRAME))


def heard(*parts: tuple[Floats, float], block: int = 64) -> list[bool]:
    """For each part, whether most of it is taken for speech, when all of them come in blocks."""
    samples = np.concatenate([sound for sound, _ in parts])
    chances = np.concatenate([np.full(len(sound), chance, np.float32) for sound, chance in parts])
    blocks = [(samples[at : at + block], chances[at : at + block]) for at in range(0, len(samples), block)]
    given = list(with_faint_speech(blocks))
    assert np.array_equal(np.concatenate([sound for sound, _ in given]), samples)
    ends = np.cumsum([len(sound) for sound, _ in parts])[:-1]
    return [bool((part >= SPEECH).mean() > 0.5) for part in np.split(np.concatenate([row for _, row in given]), ends)]


PAUSE = (hiss(40, ROOM), NOT)
TALK = (hiss(60, VOICE), SURE)


@pytest.mark.parametrize("block", [1, 64, 1000])
def test_a_whisper_beside_speech_is_speech(block: int) -> None:
    whisper = (hiss(60, VOICE / 2), UNSURE)
    assert heard(PAUSE, whisper, TALK, PAUSE, block=block) == [False, True, True, False]
    assert heard(PAUSE, TALK, whisper, PAUSE, block=block) == [False, True, True, False]


def test_a_breath_alone_is_none() -> None:
    breath = (hiss(60, VOICE), UNSURE)
    assert heard(PAUSE, breath, PAUSE) == [False, False, False]
    assert heard(TALK, PAUSE, breath, PAUSE) == [True, False, False, False], "nor after a pause"


@pytest.mark.parametrize(
    ("sound", "chance"),
    [(hiss(60, VOICE), ALIKE / 3), (hiss(60, 1.5 * ROOM), UNSURE), (hiss(60, VOICE / 20), UNSURE), (tune(60), UNSURE)],
    ids=["unlike speech", "no louder than the room", "far below the speech", "music"],
)
def test_what_is_no_whisper_is_none(sound: Floats, chance: float) -> None:
    assert heard(PAUSE, TALK, (sound, chance), PAUSE) == [False, True, False, False]


def test_it_is_believed_for_some_seconds_only() -> None:
    long = hiss(3 * REACH, VOICE / 2)
    reached = heard(PAUSE, TALK, (long[: REACH // 2], UNSURE), (long[REACH // 2 : 2 * REACH], UNSURE), (long, UNSURE))
    assert reached[2]
    assert not reached[4]


def test_the_soft_end_of_a_word_stays_as_it_is() -> None:
    """Windows keep it anyway. Taken for speech it hid pauses, and windows were cut at worse places: 2 and 4 more
    word errors in 1435 words."""
    assert KEPT == PAD_FRAMES
    assert heard(PAUSE, TALK, (hiss(KEPT - 3, VOICE / 2), UNSURE), PAUSE) == [False, True, False, False]
    assert LIFTED >= SPEECH


def test_nothing_changes_in_ordinary_speech() -> None:
    """Speech of common level in a room is heard as the network hears it by itself."""
    from faster_whisper.vad import get_vad_model

    said = speech.speak(["Good morning everybody.", "Five people asked for a refund."], 0.75).samples
    whole = said[: len(said) // FRAME * FRAME]
    found = np.concatenate([chances for _, chances in speech_frames(iter([whole]))])
    network = get_vad_model()(whole).reshape(-1)
    assert np.allclose(found[:-1], network[: len(found) - 1], atol=1e-3)
