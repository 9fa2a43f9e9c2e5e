"""One recording through the whole line: decode, voice activity, windows, model, segments in order.

Windows are handed to the batcher a few ahead, so that every lane has work while the next are being cut;
results are taken in the recording's order.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from engines.audio.recordings.recording import OpenRecording, Recording, Wanted, read_here
from engines.audio.windows import Speech
from engines.base import DecodeOptions, Window, WindowResult
from engines.decoding.batcher import Batcher
from engines.decoding.recording_language import VOTERS, RecordingLanguage
from engines.decoding.schedule import Priority
from engines.decoding.speaker_tracking import SpeakerTracking
from engines.decoding.unheard_speech import alone, is_believable, unheard, with_heard
from engines.decoding.window_queue import WindowStream
from engines.errors import Canceled
from engines.text.segments import segments_of
from engines.transcript import Segment, Speaker, Transcript, TranscriptWarning

LONG = 300.0  # seconds of a recording that is many passes of any engine


class Checkpoint(Protocol):
    """What an earlier run over the same recording has decoded already, and where this one's results are kept: of two
    for the same window the later counts."""

    def result(self, window: Window) -> WindowResult | None: ...

    def save(self, window: Window, result: WindowResult) -> None: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """processed: seconds of audio done; total: seconds the file claims to have, or decoded so far."""

    processed: float
    total: float
    segments: tuple[Segment, ...]


class _Pending(NamedTuple):
    window: Window
    future: Future[WindowResult] | None  # None: `result` is there already
    result: WindowResult | None = None


class Transcription:
    """One run over one file. Iterate it for progress, window by window; then `transcript()` has the whole.

    context: give each window the text before it as prompt; windows then wait for one another. speakers: tells them
    apart; None if nobody asked. window_seconds: of a full window; None for what suits the engine.
    open_recording: how it is read.
    `cancel` may be called from any thread and ends the iteration with Canceled within one window. So does
    `hand_back`, once the windows that the model has in hand are decoded and kept in the checkpoint.
    """

    def __init__(
        self,
        batcher: Batcher,
        path: Path,
        options: DecodeOptions,
        priority: Priority,
        max_seconds: float,
        checkpoint: Checkpoint | None = None,
        *,
        context: bool = False,
        speakers: SpeakerTracking | None = None,
        window_seconds: float | None = None,
        open_recording: OpenRecording = read_here,
    ) -> None:
        self._batcher = batcher
        length = window_seconds or batcher.engine.window_seconds
        self._wanted = Wanted(path, options.listening, length, max_seconds)
        self._open_recording = read_here if options.only_language else open_recording  # its beginning is read fast
        self._options = options
        self._priority = priority
        self._checkpoint = checkpoint
        self._limit = 1 if context else batcher.window_limit
        if options.only_language:
            self._limit = min(self._limit, VOTERS)  # what is decoded beyond these has no say
        self._context = context
        self._speakers = speakers
        self._who_speaks: tuple[Speaker, ...] = ()
        self._before = ""  # the text of the window before, for `context`
        self._canceled = threading.Event()  # no more windows
        self._unwanted = threading.Event()  # nor what the model has in hand
        self._kept_until = 0.0  # monotonic seconds up to which a canceled run waits for the windows in hand
        self._pending: deque[_Pending] = deque()
        self._stream: WindowStream | None = None
        self._language = RecordingLanguage(options)
        self._undecided: list[tuple[Window, WindowResult]] = []  # heard before the recording's language was settled
        self._segments: list[Segment] = []
        self.peaks: tuple[int, ...] = ()  # see Peaks; of a recording that was heard to its end
        self._duration = 0.0
        self._warnings: tuple[TranscriptWarning, ...] = ()
        self.track: int | None = None  # the number of the sound track, once it is chosen

    @property
    def is_demoted(self) -> bool:
        """Whether the recording has had more audio decoded than an interactive one may."""
        return self._stream is not None and self._stream.is_demoted

    def cancel(self) -> None:
        self._canceled.set()
        self._unwanted.set()
        if self._speakers:
            self._speakers.cancel()
        if stream := self._stream:
            stream.close()

    def hand_back(self, patience: float) -> None:
        """patience: seconds that the windows in hand may take."""
        self._kept_until = time.monotonic() + patience
        self._canceled.set()
        if self._speakers:
            self._speakers.cancel()
        if stream := self._stream:
            stream.drain()

    def _is_unwanted(self) -> bool:
        """Whether the model may stop in the midst of a window of this run."""
        return self._unwanted.is_set() or 0 < self._kept_until <= time.monotonic()

    def __iter__(self) -> Iterator[Progress]:
        self._stream = self._batcher.open(self._priority)
        try:
            if self._speakers:
                self._speakers.open()
            with self._open_recording(self._wanted, self._check) as recording:
                yield from self._run(recording)
        except (CancelledError, Canceled):
            self._keep_windows_in_hand()
            raise Canceled() from None
        finally:
            self._unwanted.set()
            if self._speakers:
                self._speakers.cancel()
            self._stream.close()

    def _keep_windows_in_hand(self) -> None:
        for pending in self._pending:
            patience = self._kept_until - time.monotonic()
            if pending.future is None or patience <= 0:
                continue
            try:
                result = pending.future.result(patience)
            except (CancelledError, TimeoutError):
                continue
            except Exception:  # noqa: BLE001, S112 - the next attempt comes upon it again
                continue
            if self._checkpoint:
                self._checkpoint.save(pending.window, result)

    def transcript(self) -> Transcript:
        """The whole recording, once the iteration has ended."""
        return Transcript(
            task=self._options.task,
            language=self._language.code,
            language_probability=self._language.probability,
            duration=self._duration,
            model=self._batcher.engine.model,
            engine=self._batcher.engine.name,
            segments=tuple(self._segments),
            warnings=self._warnings,
            speakers=self._who_speaks,
        )

    def _run(self, recording: Recording) -> Iterator[Progress]:
        pending, self.track = self._pending, recording.track
        for index, part in enumerate(recording):
            pending.append(self._submit(index, part))
            while len(pending) >= self._pending_limit(recording):
                yield from self._collect(pending.popleft(), recording)
            if self._has_enough:
                break
        while pending and not self._has_enough:
            yield from self._collect(pending.popleft(), recording)
        self._language.settle()
        yield from self._tell_decided(recording)
        if self._speakers:
            segments, self._who_speaks = self._speakers.settled(self._segments)
            self._segments = list(segments)
        self._duration = recording.decoded
        self.peaks = () if self._options.only_language else recording.peaks
        self._warnings = (*recording.warnings(), *self._missing_words(recording))
        yield Progress(self._duration, self._duration, ())

    def _pending_limit(self, recording: Recording) -> int:
        """Few while each has to be asked for its language. On a single lane it is the first alone of a long recording
        that is cut meanwhile: what there is then makes one large pass, rather than a small one and a large one."""
        if self._language.is_settled:
            return self._limit
        lanes = self._batcher.engine.lanes
        is_first = lanes == 1 and not self._undecided and recording.is_cut_ahead and recording.expected > LONG
        return min(self._limit, 1 if is_first else max(VOTERS, 2 * lanes))

    @property
    def _has_enough(self) -> bool:
        """Whether the rest of the recording is not wanted."""
        return self._options.only_language and self._language.is_settled

    def _missing_words(self, recording: Recording) -> Iterator[TranscriptWarning]:
        is_wordless = not any(segment.text.strip() for segment in self._segments)
        if is_wordless and not recording.is_silent and not self._options.only_language:
            message = "The recording has sound, but no words were found in it."
            yield TranscriptWarning("no_words_found", f"{message} If somebody speaks in it, send vad_filter=false.")

    def _check(self) -> None:
        if self._canceled.is_set():
            raise Canceled()

    def _submit(self, index: int, speech: Speech) -> _Pending:
        assert self._stream is not None
        options = replace(self._options, language=self._language.for_next_window, prompt=self._prompt())
        window = Window(index, speech.samples, speech.pieces, options, speech.spans, self._is_unwanted)
        self._check()
        if self._speakers:
            self._speakers.submit(window)
        if self._checkpoint and (known := self._checkpoint.result(window)):
            self._stream.restored(window)
            return _Pending(window, None, known)
        return _Pending(window, self._stream.submit(window))

    def _prompt(self) -> str | None:
        return f"{self._options.prompt or ''} {self._before}" if self._before else self._options.prompt

    def _collect(self, pending: _Pending, recording: Recording) -> Iterator[Progress]:
        """Takes the next result. While the recording's language is open, results are held back."""
        result = self._result(pending)
        self._language.add_vote(result)
        if self._context:
            self._before = result.text.strip()
        self._undecided.append((pending.window, result))
        if self._language.is_settled:
            yield from self._tell_decided(recording)

    def _tell_decided(self, recording: Recording) -> Iterator[Progress]:
        undecided, self._undecided = self._undecided, []
        if self._options.only_language:
            return
        for pending in [self._in_right_language(*heard) for heard in undecided]:  # the model has all of them by now
            yield self._told(pending.window, self._result(pending), recording)

    def _in_right_language(self, window: Window, result: WindowResult) -> _Pending:
        """A window that was decoded in another language than the recording turned out to have goes back."""
        assert self._stream is not None
        if self._language.agrees(result):
            return _Pending(window, None, result)
        right = replace(window, options=replace(window.options, language=self._language.for_next_window))
        return _Pending(right, self._stream.submit(right))

    def _result(self, pending: _Pending) -> WindowResult:
        if pending.future is None:
            assert pending.result is not None
            return pending.result
        result = self._with_unheard(pending.window, pending.future.result())
        if self._checkpoint:
            self._checkpoint.save(pending.window, result)
        return result

    def _with_unheard(self, window: Window, result: WindowResult) -> WindowResult:
        """With what its text passes over, which is decoded once more alone: in its language, or that failing, and if
        none was asked for, in the one that is heard there."""
        assert self._stream is not None
        if not (stretch := unheard(window, result.words)):
            return result
        heard = self._stream.submit(alone(window, stretch, result.language)).result()
        if not is_believable(heard) and not self._options.language:
            heard = self._stream.submit(alone(window, stretch, None)).result()
        return with_heard(result, stretch, heard)

    def _told(self, window: Window, result: WindowResult, recording: Recording) -> Progress:
        not_before = self._segments[-1].end if self._segments else 0.0
        if self._speakers:
            is_change = self._speakers.heard(window).change
            cut = segments_of(window, result, len(self._segments), not_before, is_change)
            segments = self._speakers.labelled(cut)
        else:
            segments = tuple(segments_of(window, result, len(self._segments), not_before))
        self._segments.extend(segments)
        total = max(recording.expected, recording.decoded)
        return Progress(min(window.end, total), total, segments)
