"""Who speaks in one recording: its windows are heard by the diarizer beside the batcher, and put together at the end.

window ─► diarizer ─► pieces ─► checkpoint ─► labels as far as one knows ─► … at the end: turns, and who says each word
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from engines.base import Window
from engines.decoding.speaker_references import KnownSpeaker, read_reference
from engines.speakers.diarizer import Diarizer
from engines.speakers.provisional import Provisional
from engines.speakers.settling import ANY, settle
from engines.speakers.turns import SpeakerCount, Turn, letters
from engines.speakers.voice_piece import VoicePiece
from engines.speakers.word_speakers import Voices, assign, speakers_of
from engines.transcript import Segment, Speaker

Pieces = tuple[VoicePiece, ...]


class VoiceCheckpoint(Protocol):
    """What an earlier run has heard already, and where this one's pieces are kept. `save_voices` is called from the
    diarizer's threads."""

    def voices(self, window: Window) -> Pieces | None:
        """None if the window has to be heard."""

    def save_voices(self, window: Window, pieces: Pieces) -> None: ...


class _Task(NamedTuple):
    window: Window
    future: Future[Pieces]


@dataclass(frozen=True, slots=True)
class SpeakerWishes:
    """What a request knows of its speakers."""

    count: SpeakerCount = ANY
    known: tuple[KnownSpeaker, ...] = ()


class SpeakerTracking:
    """One run over one recording. `submit` each window, then `heard` in the same order, then `settled`.

    at_once: windows of this recording that the diarizer has at a time; recordings take turns that way. `cancel` may be
    called from any thread: `heard` raises CancelledError then, or Canceled.
    """

    def __init__(
        self,
        diarizer: Diarizer,
        at_once: int = 1,
        wishes: SpeakerWishes = SpeakerWishes(),
        kept: VoiceCheckpoint | None = None,
    ) -> None:
        self._diarizer = diarizer
        self._at_once = at_once
        self._wishes = wishes
        self._kept = kept
        self._lock = threading.Lock()
        self._waiting: deque[_Task] = deque()
        self._in_hand = 0
        self._is_canceled = False
        self._futures: dict[int, Future[Pieces]] = {}  # by a window's index, until it is asked for
        self._pieces: list[VoicePiece] = []  # of all windows so far
        self._turns: list[Turn] = []  # of the last window in which anybody spoke, with labels as far as one knows

    def open(self) -> None:
        """Listens to the references. Raises InvalidReference."""
        self._references = tuple(read_reference(known, self._diarizer) for known in self._wishes.known)
        self._provisional = Provisional(self._references)

    def submit(self, window: Window) -> None:
        """Raises CancelledError once it is canceled."""
        future: Future[Pieces] = Future()
        self._futures[window.index] = future
        if self._kept and (known := self._kept.voices(window)) is not None:
            future.set_result(known)
            return
        with self._lock:
            if self._is_canceled:
                raise CancelledError("The recording's windows are not wanted any more.")
            self._waiting.append(_Task(window, future))
        self._hand_on()

    def heard(self, window: Window) -> Voices:
        """Who speaks in a window that was submitted, as far as one knows by then. Waits for it, and raises what hearing
        it raised."""
        pieces = self._futures.pop(window.index).result()
        self._pieces += pieces
        labels = self._provisional.labels(pieces)
        turns = [Turn(label, *span) for piece, label in zip(pieces, labels, strict=True) for span in piece.spans]
        self._turns = turns or self._turns or [Turn(next(letters()), window.start, window.end)]
        return Voices.of_turns(self._turns)

    def labelled(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        """The segments of the window that was heard last, with who seems to say them."""
        return assign(segments, self._turns)

    def settled(self, segments: Sequence[Segment]) -> tuple[tuple[Segment, ...], tuple[Speaker, ...]]:
        """All segments with who says them, and everybody who speaks, once all windows were heard."""
        turns = settle(self._pieces, self._wishes.count, self._references)
        if not turns and segments:  # words, and no voice
            turns = [Turn(next(letters()), segment.start, segment.end) for segment in segments]
        return assign(segments, turns), speakers_of(turns)

    def cancel(self) -> None:
        """Drops what waits; what the diarizer has in hand is heard to its end, and kept."""
        with self._lock:
            self._is_canceled = True
            waiting, self._waiting = self._waiting, deque()
        for task in waiting:
            task.future.cancel()

    def _hand_on(self) -> None:
        while task := self._next():
            try:
                self._diarizer.submit(task.window).add_done_callback(partial(self._done, task))
            except RuntimeError as error:  # it is being closed
                self._in_hand_less()
                task.future.set_exception(error)

    def _next(self) -> _Task | None:
        with self._lock:
            if self._in_hand >= self._at_once or not self._waiting:
                return None
            self._in_hand += 1
            return self._waiting.popleft()

    def _in_hand_less(self) -> None:
        with self._lock:
            self._in_hand -= 1

    def _done(self, task: _Task, done: Future[Pieces]) -> None:
        """On the diarizer's thread."""
        self._in_hand_less()
        if done.cancelled():
            task.future.cancel()
        elif error := done.exception():
            task.future.set_exception(error)
        else:
            if self._kept:
                self._kept.save_voices(task.window, done.result())
            task.future.set_result(done.result())
        self._hand_on()
