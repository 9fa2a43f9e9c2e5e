"""Streaming voice activity: Silero's v6 network as faster-whisper ships it (ONNX, no torch).

The library runs it over a whole recording at once; here its recurrent state is carried from block to block in
constant memory, at 0.8 ms a second of audio. In a long pause that state runs off to where the next word is heard
half a second late or not at all, so while nobody speaks it is held within bounds. Over a telephone it runs off while
somebody speaks, too: there it is always held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engines.audio.faint_speech import with_faint_speech
from engines.audio.levelling import Leveller, levels
from engines.audio.low_sounds import LowSounds
from engines.audio.speech_network import CONTEXT, FRAME, STATE, speech_session

__all__ = ["FRAME", "speech_frames"]

_BLOCK_FRAMES = 64  # frames a call: 2 s; more gains no speed
_QUIET = 0.35  # probability below which a frame is no speech
_REST = 0.7  # the state's bound in a long pause: 1 hears late after hum, 0.3 hears words in tunes
_TIRED = 10  # blocks without speech (20 s) that make a long pause
_REST_ON_TELEPHONE = 0.5  # ... and always, if there are no low sounds
_ROOM = 3e-4  # root mean square of noise that is added: the network knows no recordings without a room
_SOME_ROOM = 1e-5  # ... and of noise that is one: a third of the last of 16 bits

Samples = NDArray[np.float32]


def speech_frames(blocks: Iterable[Samples]) -> Iterator[tuple[Samples, NDArray[np.float32]]]:
    """Cuts blocks of any length into frames and tells how likely each is speech.

    Yields pairs (frames, probabilities) of shapes (n, 512) and (n,); the last frame is padded with zeros.
    """
    detector, leveller = _Detector(), Leveller()
    yield from with_faint_speech((frames, detector(leveller(frames))) for frames in _frames(blocks))


class _Detector:
    def __init__(self) -> None:
        self._session = speech_session()
        self._quiet_blocks = 0
        self._low_sounds = LowSounds()
        self._hidden, self._cell, self._context = _fresh()

    def __call__(self, frames: Samples) -> NDArray[np.float32]:
        if not frames.any():
            self._hidden, self._cell, self._context = _fresh()
            return np.zeros(len(frames), np.float32)
        if (whole := self._low_sounds.added(frames)) is not frames:
            self._rest(_REST_ON_TELEPHONE)
        probabilities = self._hear(self._in_a_room(whole))
        self._quiet_blocks = 0 if probabilities.max() >= _QUIET else self._quiet_blocks + 1
        if self._quiet_blocks >= _TIRED:
            self._rest(_REST)
        return probabilities

    def _rest(self, bound: float) -> None:
        self._cell = np.clip(self._cell, -bound, bound)

    def _in_a_room(self, frames: Samples) -> Samples:
        """With a room's noise, if the recording has none of its own somewhere."""
        if float(levels(frames).min()) >= _SOME_ROOM:
            return frames
        rooms = -(-len(frames) // _BLOCK_FRAMES)
        return frames + np.tile(_room(), (rooms, 1))[: len(frames)]

    def _hear(self, frames: Samples) -> NDArray[np.float32]:
        before = np.concatenate([self._context, frames[:-1, -CONTEXT:]])
        inputs = {"input": np.concatenate([before, frames], axis=1), "h": self._hidden, "c": self._cell}
        output, self._hidden, self._cell = self._session.run(None, inputs)
        self._context = frames[-1:, -CONTEXT:].copy()
        probabilities: NDArray[np.float32] = output.reshape(-1)
        return probabilities


@cache
def _room() -> Samples:
    """A room's noise, the same in every block."""
    return np.random.default_rng(0).normal(0, _ROOM, (_BLOCK_FRAMES, FRAME)).astype(np.float32)


def _fresh() -> tuple[Samples, Samples, Samples]:
    """Hidden state, cell state and the samples before, of a network that has heard nothing."""
    return np.zeros((1, 1, STATE), np.float32), np.zeros((1, 1, STATE), np.float32), np.zeros((1, CONTEXT), np.float32)


def _frames(blocks: Iterable[Samples]) -> Iterator[Samples]:
    held: list[Samples] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block)
        if size >= FRAME * _BLOCK_FRAMES:
            samples = np.concatenate(held)
            whole = size - size % FRAME
            yield samples[:whole].reshape(-1, FRAME)
            held, size = [samples[whole:]], size - whole
    if size:
        samples = np.concatenate(held)
        yield np.pad(samples, (0, -size % FRAME)).reshape(-1, FRAME)
