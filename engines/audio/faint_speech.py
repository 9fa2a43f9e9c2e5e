"""Speech that voice activity is unsure of: a whisper, a voice far away.

Alone it would be no more than a breath or a chair. Beside speech that was heard, what is nearly as loud, louder
than the room, and not altogether unlike speech, is taken for more of it. The soft ends of words are left as they are:
windows keep them in any case, and would be cut at worse places if they knew fewer pauses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from engines.audio.levelling import levels, quantile
from engines.audio.source.chunk import Samples

REACH = 192  # frames: 6 s of unsure sound at most are taken for speech on either side of a heard stretch
SURE = 0.5  # probability of speech that was heard
UNSURE = 0.35  # probability below which a frame is judged by its surroundings
AROUND = 31  # frames, 1 s: its surroundings
ALIKE = 0.02  # mean probability there from which it is like speech; tunes and typing stay below
ABOVE_ROOM = 2.5  # times the room's level that it must have: 8 dB …
BELOW_SPEECH = 10.0  # … and no less than this part of the speech's: 20 dB
BREAK = 12  # frames between two faint ones that still belong together
LIFTED = 0.5  # probability that such a frame is given
STEADY = 0.95  # likeness of a frame's spectrum to the one 0.13 s before from which it holds a tone: speech has 0.5 …
STEADY_SHARE = 0.3  # … and of the frames around, those that may, or it is music
LAG = 4  # frames between the two
SPEECH_BAND = slice(6, 128)  # of a frame's spectrum: 190 to 4000 Hz
KEPT = 12  # frames beside heard speech that windows keep in any case (`windows.PAD_FRAMES`)

Probabilities = NDArray[np.float32]
Frames = tuple[Samples, Probabilities]


def with_faint_speech(frames: Iterable[Frames]) -> Iterator[Frames]:
    """Gives the same frames, some 6 s later, with the probabilities of faint speech raised to `LIFTED`."""
    held = _Held()
    done = 0  # of the frames held, those given out and kept to judge the next by
    for samples, probabilities in frames:
        held.add(samples, probabilities)
        ready = len(held.chances) - REACH
        if ready > done:
            yield held.samples(done, ready), held.lifted()[done:ready]
            start = max(0, ready - REACH)
            held.drop(start)
            done = ready - start
    if len(held.chances) > done:
        yield held.samples(done, len(held.chances)), held.lifted()[done:]


class _Held:
    """Frames with what is known of each, so that it is found out once though the frames are judged many times.

    chances: of speech.
    """

    def __init__(self) -> None:
        self._blocks: deque[Samples] = deque()  # as they came: to join a megabyte of them anew each time costs most
        self._forgotten = 0  # frames at the beginning of the first
        self.chances = self._levels = self._likeness = np.zeros(0, np.float32)

    def samples(self, start: int, stop: int) -> Samples:
        """Those of some of the frames, shape (n, samples a frame)."""
        parts, before = [], -self._forgotten
        for block in self._blocks:
            part = block[max(0, start - before) : max(0, stop - before)]
            if len(part):
                parts.append(part)
            before += len(block)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def add(self, samples: Samples, chances: Probabilities) -> None:
        self._blocks.append(samples)
        self.chances = np.concatenate([self.chances, chances])
        self._levels = np.concatenate([self._levels, levels(samples)])

    def drop(self, count: int) -> None:
        """Forgets the first frames."""
        self._forgotten += count
        while self._blocks and self._forgotten >= len(self._blocks[0]):
            self._forgotten -= len(self._blocks.popleft())
        self.chances = self.chances[count:]
        self._levels, self._likeness = self._levels[count:], self._likeness[count:]

    def lifted(self) -> Probabilities:
        chances = self.chances
        sure = chances >= SURE
        if not sure.any() or sure.all():
            return chances
        around = _around(self._levels, 3)
        faint = (chances < SURE) & _is_alike(chances) & (around > ABOVE_ROOM * quantile(around, 0.1))
        faint &= around > quantile(around[sure], 0.5) / BELOW_SPEECH
        if not faint.any() or not _joined_beyond(sure, faint).any():  # which is quicker to find out than music
            return chances
        return np.where(_joined_beyond(sure, faint & ~self._is_music()), np.float32(LIFTED), chances)

    def _is_music(self) -> NDArray[np.bool_]:
        """Whether tones are held: a voice's pitch moves, and a whisper has none."""
        known, count = len(self._likeness), len(self.chances)
        if known < count:
            found = _likeness(self.samples(max(0, known - LAG), count))
            self._likeness = np.concatenate([self._likeness, found[min(known, LAG) :]])
        steady = (self._likeness > STEADY).astype(np.float32)
        steady[:LAG] = 0
        return np.asarray(_around(steady, AROUND) > STEADY_SHARE)


def _likeness(samples: Samples) -> Samples:
    """Of each frame's spectrum and the one `LAG` before; 0 for the first ones."""
    window = np.hanning(samples.shape[1]).astype(np.float32)
    waves = np.fft.rfft(samples * window, axis=1)[:, SPEECH_BAND]
    spectra = np.sqrt(np.square(waves.real) + np.square(waves.imag)).astype(np.float32)
    spectra /= np.maximum(np.linalg.norm(spectra, axis=1, keepdims=True), 1e-12)
    found = np.einsum("nk,nk->n", spectra[LAG:], spectra[:-LAG])
    return np.pad(found, (LAG, 0))[: len(samples)]


def _joined_beyond(sure: NDArray[np.bool_], faint: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return _beyond(_joined(sure, faint) & ~sure, sure)


def _beyond(faint: NDArray[np.bool_], sure: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The stretches of faint speech of which some part would be lost."""
    lost = faint & (np.convolve(sure, np.ones(2 * KEPT + 1), "same")[: len(sure)] < SURE)
    edges = np.flatnonzero(np.diff(faint, prepend=False, append=False))
    left = np.zeros_like(faint)
    for start, end in edges.reshape(-1, 2):
        left[start:end] = lost[start:end].any()
    return left


def _is_alike(chances: Probabilities) -> NDArray[np.bool_]:
    """Judged by the unsure frames around alone: what surrounds speech is not speech for that."""
    unsure = chances < UNSURE
    count = _around(unsure.astype(np.float32), AROUND)
    mean = _around(np.where(unsure, chances, 0), AROUND) / np.maximum(count, 1 / AROUND)
    return np.asarray(mean >= ALIKE)


def _around(values: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Means of `width` frames around each."""
    return np.asarray(np.convolve(values, np.full(width, 1 / width, np.float32), "same")[: len(values)], np.float32)


def _joined(sure: NDArray[np.bool_], faint: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Faint frames that are joined to a sure one, with breaks of at most a few frames."""
    is_sure, is_faint, reached = sure.tolist(), faint.tolist(), sure.tolist()
    for order in (range(len(sure)), range(len(sure) - 1, -1, -1)):
        left = 0
        for at in order:
            if is_sure[at]:
                left = BREAK
            elif left:
                if is_faint[at]:
                    reached[at], left = True, BREAK
                else:
                    left -= 1
    return np.array(reached, np.bool_)
