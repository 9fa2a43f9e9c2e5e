"""One recording through the whole line: decode, voice activity, windows, model, segments in order.

Windows are handed to the batcher a few ahead, so that every lane has work while the next are being cut;
results are taken in the recording's order.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from engines.audio import AudioReader, Samples
from engines.base import DecodeOptions, Window, WindowResult
from engines.batcher import Batcher, WindowStream
from engines.errors import AudioTooLong, Canceled
from engines.schedule import Priority
from engines.segments import segments_of
from engines.transcript import Segment, Transcript, TranscriptWarning
from engines.vad import speech_frames
from engines.windows import Speech, pack_speech

SURE = 0.5  # probability from which a window's language is taken for the recording's (faster-whisper's default)
LANGUAGE_WINDOWS = 4  # windows asked at most before the likeliest language is taken
NO_SPEECH_LANGUAGE = "en"  # what is said of a recording in which nobody speaks, with probability 0


@dataclass(frozen=True, slots=True)
class Progress:
    """processed: seconds of audio done; total: seconds the file claims to have, or decoded so far."""

    processed: float
    total: float
    segments: tuple[Segment, ...]


class _Pending(NamedTuple):
    window: Window
    future: Future[WindowResult]


class Transcription:
    """One run over one file. Iterate it for progress, window by window; then `transcript()` has the whole.

    `cancel` may be called from any thread and ends the iteration with Canceled within one window.
    """

    def __init__(
        self, batcher: Batcher, path: Path, options: DecodeOptions, priority: Priority, max_seconds: float
    ) -> None:
        self._batcher = batcher
        self._path = path
        self._options = options
        self._priority = priority
        self._max_seconds = max_seconds
        self._canceled = threading.Event()
        self._stream: WindowStream | None = None
        self._language = _Language(options)
        self._segments: list[Segment] = []
        self._duration = 0.0
        self._warnings: tuple[TranscriptWarning, ...] = ()

    def cancel(self) -> None:
        self._canceled.set()
        if stream := self._stream:
            stream.close()

    def __iter__(self) -> Iterator[Progress]:
        self._stream = self._batcher.open(self._priority)
        try:
            with AudioReader(self._path) as reader:
                yield from self._run(reader)
        except CancelledError:
            raise Canceled() from None
        finally:
            self._stream.close()

    def transcript(self) -> Transcript:
        """The whole recording, once the iteration has ended."""
        return Transcript(
            task=self._options.task,
            language=self._language.code or NO_SPEECH_LANGUAGE,
            language_probability=self._language.probability,
            duration=self._duration,
            model=self._batcher.engine.model,
            engine=self._batcher.engine.name,
            segments=tuple(self._segments),
            warnings=self._warnings,
        )

    def _run(self, reader: AudioReader) -> Iterator[Progress]:
        speech = pack_speech(speech_frames(self._blocks(reader)))
        pending: deque[_Pending] = deque()
        for index, part in enumerate(speech):
            pending.append(self._submit(index, part))
            while pending and (len(pending) >= self._batcher.window_limit or not self._language.is_settled):
                yield self._collect(pending.popleft(), reader)
        while pending:
            yield self._collect(pending.popleft(), reader)
        self._duration = reader.decoded
        self._warnings = reader.warnings()
        yield Progress(self._duration, self._duration, ())

    def _blocks(self, reader: AudioReader) -> Iterator[Samples]:
        for block in reader:
            if self._canceled.is_set():
                raise Canceled()
            if reader.decoded > self._max_seconds:
                raise AudioTooLong()
            yield block

    def _submit(self, index: int, speech: Speech) -> _Pending:
        assert self._stream is not None
        options = replace(self._options, language=self._language.code_to_use)
        window = Window(index, speech.samples, speech.pieces, options, speech.spans)
        if self._canceled.is_set():
            raise Canceled()
        return _Pending(window, self._stream.submit(window))

    def _collect(self, pending: _Pending, reader: AudioReader) -> Progress:
        result = pending.future.result()
        window = pending.window
        self._language.hear(result)
        not_before = self._segments[-1].end if self._segments else 0.0
        segments = segments_of(window, result, len(self._segments), not_before)
        self._segments.extend(segments)
        total = max(reader.declared or 0.0, reader.decoded)
        return Progress(min(window.end, total), total, tuple(segments))


class _Language:
    """The recording's language: as asked for, or what its first windows say."""

    def __init__(self, options: DecodeOptions) -> None:
        self.code = options.language
        self.probability = 1.0 if options.language else 0.0
        self.is_settled = options.language is not None
        self._heard: dict[str, list[float]] = {}  # probabilities, by language
        self._windows = 0

    @property
    def code_to_use(self) -> str | None:
        return self.code if self.is_settled else None

    def hear(self, result: WindowResult) -> None:
        """A window without words (music, a cough) has no say."""
        if self.is_settled or not result.text.strip():
            return
        self._windows += 1
        self._heard.setdefault(result.language, []).append(result.language_probability)
        self.code = max(self._heard, key=lambda code: sum(self._heard[code]))
        self.probability = max(self._heard[self.code])
        self.is_settled = result.language_probability >= SURE or self._windows >= LANGUAGE_WINDOWS
