"""Packs speech into windows of at most 30 s, or of what suits an engine better, cut in pauses.

Long pauses are shortened to a breath at each side, so silence never reaches Whisper and windows are full; what
a window holds of the recording is told by its pieces. Memory is bounded by one window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines.audio.voice_activity import FRAME
from engines.base import SAMPLE_RATE, WINDOW_SECONDS, Listening, Piece

Samples = NDArray[np.float32]

PLAN = 4  # how recordings are cut; raise it with any change that cuts the same recording differently

FRAMES_PER_SECOND = SAMPLE_RATE / FRAME
MAX_FRAMES = int(WINDOW_SECONDS * FRAMES_PER_SECOND)  # 937 frames: 29.98 s; an engine may want fewer
SPEECH = 0.5  # probability from which a frame is speech (Silero's default)
PAUSE = 0.35  # probability below which speech has ended (Silero's default: 0.15 under SPEECH)
PAD_FRAMES = 12  # frames kept on either side of speech: 0.38 s
MIN_SPEECH_FRAMES = 3  # shorter sounds are clicks, not words: 0.1 s
MIN_PAUSE_FRAMES = 4  # a shorter dip is the closure of a consonant, no pause: 0.13 s
CUT_RANGE = 0.4  # of a full window: a cut is looked for in its last 12 of 30 s
LONG_PAUSE_FRAMES = 0.8 * FRAMES_PER_SECOND  # a longer pause is no better to cut in
FAINT = 0.01  # peak below which the model makes more mistakes: a tenth of the words at -70 dB, 2 % after lifting …
LIFTED = 0.2  # … to this peak
EARLY_CUT_COST = 0.04  # seconds of pause that a cut one second later is worth: full windows are cheaper


class _Frame(NamedTuple):
    number: int  # in the recording
    samples: Samples
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """The samples of a window to be, before anyone decided how to decode it."""

    samples: Samples
    pieces: tuple[Piece, ...]
    spans: tuple[tuple[float, float], ...]  # seconds from the window's start in which somebody speaks


@dataclass(frozen=True, slots=True)
class Packing:
    """speech, pause: probabilities from which a frame is speech, and below which speech has ended. before, after:
    frames kept on either side of it; a pause of at most `after` frames stays whole. most: frames of a full window."""

    speech: float = SPEECH
    pause: float = PAUSE
    before: int = PAD_FRAMES
    after: int = PAD_FRAMES
    most: int = MAX_FRAMES


def packing_of(listening: Listening, window_seconds: float = WINDOW_SECONDS) -> Packing:
    """What a request and the engine want, in frames. window_seconds: of a full window."""
    most = int(window_seconds * FRAMES_PER_SECOND)
    if not listening.voice_activity:
        return Packing(0.0, 0.0, most=most)
    speech = SPEECH if listening.threshold is None else listening.threshold
    before, after = listening.prefix_padding, listening.silence_duration
    return Packing(
        speech,
        max(0.0, speech - (SPEECH - PAUSE)),
        PAD_FRAMES if before is None else round(before * FRAMES_PER_SECOND),
        PAD_FRAMES if after is None else max(1, round(after * FRAMES_PER_SECOND)),
        most,
    )


def pack_speech(
    frames: Iterable[tuple[Samples, NDArray[np.float32]]], packing: Packing = Packing()
) -> Iterator[Speech]:
    """Takes frames with their speech probabilities (see `speech_frames`) and gives full windows of speech."""
    packer = _Packer(packing)
    for samples, probabilities in frames:
        for row, probability in zip(samples, probabilities.tolist(), strict=True):
            packer.add(row, probability)
            if len(packer.kept) >= packing.most:
                yield from packer.cut()
    yield from packer.flush()


class _Packer:
    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self.kept: list[_Frame] = []
        self._before: deque[_Frame] = deque(maxlen=packing.before)  # silence that may precede speech
        self._next = 0
        self._is_speech = False
        self._since_speech = packing.after  # frames
        self._run_start = 0  # where in `kept` the current run of speech began
        self._run_speech = 0  # frames of speech in it

    def add(self, samples: Samples, probability: float) -> None:
        frame = _Frame(self._next, samples, probability)
        self._next += 1
        self._is_speech = probability >= (self._packing.pause if self._is_speech else self._packing.speech)
        if self._is_speech:
            self._add_speech(frame)
        elif self._since_speech < self._packing.after:
            self.kept.append(frame)
            self._since_speech += 1
            if self._since_speech == self._packing.after:
                self._end_run()
        else:
            self._before.append(frame)

    def _add_speech(self, frame: _Frame) -> None:
        if self._since_speech >= self._packing.after:
            self._run_start, self._run_speech = len(self.kept), 0
            self.kept.extend(self._before)
            self._before.clear()
        self.kept.append(frame)
        self._since_speech = 0
        self._run_speech += 1

    def _end_run(self) -> None:
        if self._run_speech < MIN_SPEECH_FRAMES:
            self._before.extend(self.kept[self._run_start :])
            del self.kept[self._run_start :]

    def cut(self) -> Iterator[Speech]:
        at = _best_cut(self.kept)
        speech, self.kept = self.kept[:at], self.kept[at:]
        self._run_start = max(0, self._run_start - at)
        yield from _speech(speech, self._packing)

    def flush(self) -> Iterator[Speech]:
        self._end_run()
        yield from _speech(self.kept, self._packing)
        self.kept = []


def _best_cut(frames: list[_Frame]) -> int:
    """Where to cut a full window: in a long pause near its end, or else where speech is least likely."""
    first = int(len(frames) * (1 - CUT_RANGE))
    best, best_worth = 0, float("-inf")
    for start, end in _pauses(frames, first, PAUSE):
        lasted = frames[end].number - frames[start].number if end < len(frames) else end - start
        worth = min(lasted, LONG_PAUSE_FRAMES) - (len(frames) - end) * EARLY_CUT_COST
        if worth > best_worth:
            best, best_worth = _middle(frames, start, end), worth
    if best:
        return best
    breathless = frames[first:-PAD_FRAMES]  # what follows the cut must be long enough to be speech by itself
    return first + int(np.argmin([frame.probability for frame in breathless]))


def _pauses(frames: list[_Frame], first: int, below: float) -> Iterator[tuple[int, int]]:
    """Runs [start, end) of frames without speech that begin at or after `first`."""
    start = None
    for at in range(first, len(frames)):
        is_pause = frames[at].probability < below
        if is_pause and start is None:
            start = at
        elif not is_pause and start is not None:
            yield start, at
            start = None
    if start is not None:
        yield start, len(frames)


def _middle(frames: list[_Frame], start: int, end: int) -> int:
    """The frame to cut a pause before: where silence was left out of it, or its middle."""
    for at in range(start + 1, end):
        if frames[at].number != frames[at - 1].number + 1:
            return at
    return (start + end + 1) // 2


def _speech(frames: list[_Frame], packing: Packing) -> Iterator[Speech]:
    if sum(frame.probability >= packing.speech for frame in frames) < MIN_SPEECH_FRAMES:
        return
    samples = np.concatenate([frame.samples for frame in frames])
    peak = float(np.abs(samples).max())
    if 0 < peak < FAINT:
        samples = samples * np.float32(LIFTED / peak)
    yield Speech(samples, tuple(_pieces(frames)), tuple(_spans(frames, packing.pause)))


def _spans(frames: list[_Frame], below: float) -> Iterator[tuple[float, float]]:
    """Runs of speech, in seconds; what is between them is a pause."""
    start = 0
    for pause_start, pause_end in [*_pauses(frames, 0, below), (len(frames), len(frames))]:
        if pause_end - pause_start < MIN_PAUSE_FRAMES and pause_end < len(frames):
            continue
        if pause_start > start:
            yield start / FRAMES_PER_SECOND, pause_start / FRAMES_PER_SECOND
        start = pause_end


def _pieces(frames: list[_Frame]) -> Iterator[Piece]:
    start = 0
    for at in range(1, len(frames) + 1):
        if at == len(frames) or frames[at].number != frames[at - 1].number + 1:
            yield Piece(frames[start].number * FRAME, start * FRAME, (at - start) * FRAME)
            start = at
