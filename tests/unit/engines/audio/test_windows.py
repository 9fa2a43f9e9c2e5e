"""Speech is packed into windows Whisper can take, nothing of it is lost, and every moment can be found again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.audio.voice_activity import FRAME
from engines.audio.windows import (
    FRAMES_PER_SECOND,
    MAX_FRAMES,
    MIN_SPEECH_FRAMES,
    PAD_FRAMES,
    PAUSE,
    SPEECH,
    Packing,
    Speech,
    pack_speech,
    packing_of,
)
from engines.base import SAMPLE_RATE, DecodeOptions, Listening, Piece, Window

FRAME_SECONDS = FRAME / SAMPLE_RATE

Run = tuple[float, int]  # a probability, and how many frames in a row have it

levels = st.sampled_from([0.0, 0.1, 0.34, 0.36, 0.49, 0.5, 0.8, 1.0])
lengths = st.one_of(st.integers(1, 5), st.integers(6, 60), st.sampled_from([300, 930, 937, 940]))
runs = st.lists(st.tuples(levels, lengths), max_size=14)
few = settings(max_examples=20, deadline=None)


def probabilities(runs: Sequence[Run]) -> NDArray[np.float32]:
    return np.concatenate([np.full(length, level, np.float32) for level, length in runs] or [np.zeros(0, np.float32)])


def pack(chances: NDArray[np.float32], block: int = 64, packing: Packing | None = None) -> list[Speech]:
    """Packs a recording whose every sample is the number of its frame."""
    samples = np.repeat(np.arange(len(chances), dtype=np.float32)[:, None], FRAME, axis=1)
    blocks = ((samples[at : at + block], chances[at : at + block]) for at in range(0, len(chances), block))
    return list(pack_speech(blocks, packing or Packing()))


def kept(speech: Speech) -> list[int]:
    """The frames of the recording in a window, by its pieces."""
    return [
        at for piece in speech.pieces for at in range(piece.source // FRAME, (piece.source + piece.length) // FRAME)
    ]


def speech_frames(chances: NDArray[np.float32]) -> list[int]:
    """Every frame in a run of speech long enough to be a word."""
    found: list[int] = []
    for is_speech, group in itertools.groupby(range(len(chances)), lambda at: bool(chances[at] >= SPEECH)):
        frames = list(group)
        if is_speech and len(frames) >= MIN_SPEECH_FRAMES:
            found += frames
    return found


@few
@given(runs, st.integers(1, 100))
def test_windows_hold_the_recordings_own_samples_in_order(runs: list[Run], block: int) -> None:
    last = -1
    for speech in pack(probabilities(runs), block):
        assert 0 < len(speech.samples) <= 30 * SAMPLE_RATE
        target = 0
        for piece in speech.pieces:
            assert (piece.target, piece.length > 0) == (target, True)
            target += piece.length
        assert target == len(speech.samples)
        frames = kept(speech)
        assert frames[0] > last
        assert all(before < after for before, after in itertools.pairwise(frames))
        assert np.array_equal(speech.samples, np.repeat(np.array(frames, np.float32), FRAME))
        last = frames[-1]


@few
@given(runs)
def test_every_frame_of_speech_is_in_exactly_one_window(runs: list[Run]) -> None:
    chances = probabilities(runs)
    packed = [frame for speech in pack(chances) for frame in kept(speech)]
    assert len(packed) == len(set(packed))
    assert set(speech_frames(chances)) <= set(packed)


@few
@given(runs)
def test_silence_is_kept_only_as_a_breath_around_speech(runs: list[Run]) -> None:
    chances = probabilities(runs)
    for speech in pack(chances):
        for frame in kept(speech):
            near = chances[max(0, frame - PAD_FRAMES) : frame + PAD_FRAMES + 1]
            assert near.max() >= PAUSE


@few
@given(runs)
def test_the_spans_of_a_window_tell_speech_from_pauses(runs: list[Run]) -> None:
    chances = probabilities(runs)
    for speech in pack(chances):
        edges = [edge / FRAME_SECONDS for span in speech.spans for edge in span]
        assert all(before < after for before, after in itertools.pairwise(edges))
        assert edges[0] >= 0
        assert edges[-1] <= len(speech.samples) / FRAME + 1e-9
        inside = {
            at for start, end in speech.spans for at in range(round(start / FRAME_SECONDS), round(end / FRAME_SECONDS))
        }
        for at, frame in enumerate(kept(speech)):
            assert at in inside or chances[frame] < PAUSE


@few
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.34, 0.49]), st.integers(1, 300)), max_size=10))
def test_where_nothing_reaches_the_threshold_there_is_no_window(runs: list[Run]) -> None:
    assert pack(probabilities(runs)) == []


def test_a_click_is_no_speech() -> None:
    assert pack(probabilities([(0.0, 50), (1.0, MIN_SPEECH_FRAMES - 1), (0.0, 50)])) == []


def test_a_click_that_comes_as_a_window_is_full_is_no_speech_either() -> None:
    windows = pack(probabilities([(1.0, 915), (0.0, 60), (1.0, 2), (0.0, 60), (1.0, 100)]))
    packed = {frame for speech in windows for frame in kept(speech)}
    assert packed >= {*range(915), *range(1037, 1137)}
    assert not packed & {975, 976}


def test_silence_between_words_is_never_kept_twice() -> None:
    (speech,) = pack(probabilities([(0.0, 20), (1.0, 50), (0.0, 20), (1.0, 50)]))
    assert kept(speech) == list(range(20 - PAD_FRAMES, 140))


def test_a_click_between_words_takes_no_speech_with_it() -> None:
    chances = probabilities([(1.0, 30), (0.0, 40), (1.0, 2), (0.0, 5), (1.0, 30)])
    (speech,) = pack(chances)
    assert set(speech_frames(chances)) <= set(kept(speech))


def test_a_short_pause_stays_as_it_is() -> None:
    (speech,) = pack(probabilities([(1.0, 50), (0.0, 2 * PAD_FRAMES), (1.0, 50)]))
    assert speech.pieces == (Piece(0, 0, (100 + 2 * PAD_FRAMES) * FRAME),)


def test_a_long_pause_is_shortened_to_a_breath_on_both_sides() -> None:
    (speech,) = pack(probabilities([(1.0, 50), (0.0, 500), (1.0, 50)]))
    first, second = speech.pieces
    assert first == Piece(0, 0, (50 + PAD_FRAMES) * FRAME)
    assert second == Piece((550 - PAD_FRAMES) * FRAME, first.length, (50 + PAD_FRAMES) * FRAME)


def test_a_window_is_cut_in_the_middle_of_a_pause_near_its_end() -> None:
    first, _ = pack(probabilities([(1.0, 800), (0.0, 20), (1.0, 400)]))
    assert kept(first)[-1] in range(805, 815)


def test_of_two_pauses_the_longer_is_cut_in() -> None:
    first, _ = pack(probabilities([(1.0, 700), (0.0, 22), (1.0, 100), (0.0, 3), (1.0, 400)]))
    assert kept(first)[-1] in range(700, 722)


def test_of_two_pauses_alike_the_later_is_cut_in() -> None:
    first, _ = pack(probabilities([(1.0, 700), (0.0, 15), (1.0, 100), (0.0, 15), (1.0, 400)]))
    assert kept(first)[-1] in range(815, 830)


def test_speech_without_a_pause_is_cut_where_it_is_least_likely() -> None:
    first, second = pack(probabilities([(1.0, 900), (0.6, 1), (1.0, 300)]))
    assert (kept(first)[-1], kept(second)[0]) == (899, 900)


def test_breathless_speech_that_ends_with_its_window_keeps_its_end() -> None:
    windows = pack(probabilities([(1.0, MAX_FRAMES - 1), (0.6, 1), (0.0, 100)]))
    assert {frame for speech in windows for frame in kept(speech)} >= set(range(MAX_FRAMES))


def test_a_dip_as_short_as_a_consonant_is_no_pause() -> None:
    (speech,) = pack(probabilities([(1.0, 50), (0.0, 3), (1.0, 50), (0.0, 4), (1.0, 50), (0.0, 20)]))
    ends = [round(edge / FRAME_SECONDS) for span in speech.spans for edge in span]
    assert ends == [0, 103, 107, 157]


@pytest.mark.parametrize("most", [MAX_FRAMES, 13.0 * FRAMES_PER_SECOND])
def test_speech_for_minutes_without_a_breath_gives_full_windows(most: float) -> None:
    chances = np.ones(int(10 * most), np.float32)
    windows = pack(chances, packing=packing_of(Listening(), most / FRAMES_PER_SECOND))
    assert [frame for speech in windows for frame in kept(speech)] == list(range(len(chances)))
    assert len(windows) <= 20
    assert max(len(kept(speech)) for speech in windows) <= most


def test_an_engines_shorter_windows_are_cut_in_its_last_pauses_too() -> None:
    chances = probabilities([(1.0, 300), (0.0, 10), (1.0, 50), (0.0, 10), (1.0, 300)])
    first, *_ = pack(chances, packing=packing_of(Listening(), 13.0))
    assert kept(first)[-1] in range(360, 370)


def window(*pieces: tuple[int, int]) -> Window:
    """A window of pieces given as (frame it begins at, frames it has)."""
    placed, target = [], 0
    for start, length in pieces:
        placed.append(Piece(start * FRAME, target, length * FRAME))
        target += length * FRAME
    return Window(0, np.zeros(target, np.float32), tuple(placed), DecodeOptions())


def test_a_window_begins_and_ends_where_its_speech_does() -> None:
    two = window((100, 50), (1000, 25))
    assert (two.start, two.end) == (100 * 0.032, 1025 * 0.032)
    assert two.seconds == 75 * 0.032


def test_without_voice_activity_all_of_the_recording_is_kept() -> None:
    chances = probabilities([(0.0, 300), (1.0, 100), (0.02, 1200)])
    rows = np.repeat(np.arange(len(chances), dtype=np.float32)[:, None], FRAME, axis=1)
    parts = list(pack_speech([(rows, chances)], packing_of(Listening(voice_activity=False))))
    assert [at for part in parts for at in kept(part)] == list(range(len(chances)))
    assert all(part.spans == ((0.0, len(part.samples) / SAMPLE_RATE),) for part in parts)


def test_what_is_kept_around_speech_and_what_counts_as_speech_can_be_asked_for() -> None:
    chances = probabilities([(0.0, 100), (0.3, 50), (0.0, 40), (0.3, 50), (0.0, 100)])
    rows = np.repeat(np.arange(len(chances), dtype=np.float32)[:, None], FRAME, axis=1)
    wanted = Listening(threshold=0.25, prefix_padding=20 * FRAME_SECONDS, silence_duration=60 * FRAME_SECONDS)
    [part] = pack_speech([(rows, chances)], packing_of(wanted))
    assert kept(part) == list(range(80, 300))
    assert list(pack_speech([(rows, chances)])) == []


def test_a_faint_window_is_lifted_and_another_left_as_it_is() -> None:
    chances = np.ones(200, np.float32)
    for peak, expected in ((3e-4, 0.2), (0.009, 0.2), (0.02, 0.02), (0.9, 0.9)):
        rows = np.full((200, FRAME), -peak, np.float32)
        [part] = pack_speech([(rows, chances)])
        assert np.allclose(part.samples, -expected)
