"""Windows, results, jobs and engines for the unit tests, with only what a test cares about spelled out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from engines.audio.reader import Samples
from engines.audio.voice_activity import FRAME
from engines.base import SAMPLE_RATE, WINDOW_SECONDS, DecodeOptions, Piece, Window, WindowResult
from engines.errors import Canceled
from engines.transcript import Segment, Transcript, Word
from worker.store.records import JobRequest

DEADLINE = 60.0  # seconds after which a test that waits has failed


def wait_for(condition: Callable[[], object], timeout: float = DEADLINE) -> None:
    """Until the condition holds; fails the test past the deadline."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.005)


def make_window(index: int = 0, seconds: float = 1.0, start: float = 0.0, **options: Any) -> Window:
    """A window in one piece, of silence."""
    length = round(seconds * SAMPLE_RATE)
    pieces = (Piece(round(start * SAMPLE_RATE), 0, length),)
    return Window(index, np.zeros(length, np.float32), pieces, DecodeOptions(**options))


def make_result(text: str = " Hello there.", **changes: Any) -> WindowResult:
    """A result that holds every threshold."""
    result = WindowResult(
        text=text,
        tokens=(1, 2, 3),
        language="en",
        language_probability=0.9,
        avg_logprob=-0.2,
        no_speech_prob=0.01,
        compression_ratio=1.1,
        temperature=0.0,
    )
    return replace(result, **changes)


def make_words(*texts: str, start: float = 0.0, each: float = 0.4) -> tuple[Word, ...]:
    """Words that follow each other without a pause."""
    return tuple(Word(text, start + each * at, start + each * (at + 1), 0.9) for at, text in enumerate(texts))


def make_segment(number: int = 0, start: float = 0.0, end: float = 1.0, text: str = " Hello.") -> Segment:
    words = (Word(text, start, end, 0.9),)
    return Segment(number, start, end, text, (1, 2), int(start * 100), 0.0, -0.2, 1.1, 0.01, words)


def make_transcript(**changes: Any) -> Transcript:
    segments = (make_segment(0, 0.0, 1.0, " Hello there."), make_segment(1, 1.5, 2.0, " Bye."))
    return replace(Transcript("transcribe", "en", 0.9, 2.5, "base", "fake", segments), **changes)


def make_request(job_id: str, **changes: Any) -> JobRequest:
    request = JobRequest(
        id=job_id,
        owner="local",
        kind="job",
        priority="batch",
        model="base",
        response_format="json",
        granularities=("segment",),
        filename="talk.wav",
        size=4,
        options=DecodeOptions(words=True),
    )
    return replace(request, **changes)


def with_unknown_fields(data: Any) -> Any:
    """Plain JSON with a field of a later version in each object, however deep; not in those that hold what a user or
    an operator named."""
    if isinstance(data, list):
        return [with_unknown_fields(value) for value in data]
    if isinstance(data, dict):
        free = ("metadata", "headers", "overrides")
        known = {name: value if name in free else with_unknown_fields(value) for name, value in data.items()}
        return {**known, "of_later": {"a": [1]}}
    return data


def write_buzz(path: Path, pause: float, seconds: float, times: int) -> Path:
    """So many times a pause and some seconds of a buzz, in a codec of one packet a second: quick to read."""
    buzz = 0.1 * np.sign(np.sin(np.arange(round(seconds * SAMPLE_RATE)) / 30))
    samples = np.concatenate([np.zeros(round(pause * SAMPLE_RATE)), buzz] * times)
    with av.open(str(path), "w", format="tta") as container:
        stream = container.add_stream("tta", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def loud_frames(blocks: Iterable[Samples]) -> Iterator[tuple[Samples, Samples]]:
    """Stands in for `speech_frames`, whose network has its own tests: what is loud is speech."""
    known = list(blocks)
    rest = np.zeros(-sum(map(len, known)) % FRAME, np.float32)
    frames = np.concatenate([*known, rest]).reshape(-1, FRAME)
    loudest = np.maximum(frames.max(axis=1), -frames.min(axis=1))
    yield frames, (loudest > 0.01).astype(np.float32)


class ScriptedEngine:
    """Hears what `hear` says. While `gate` is closed, every pass waits at it; behind it one that nobody wants stops.

    passes: the windows of each decode call; entered: one release for each pass that has begun.
    """

    name = "scripted"
    model = "scripted-1"

    def __init__(
        self,
        hear: Callable[[Window], WindowResult] | None = None,
        *,
        lanes: int = 1,
        max_batch: int = 4,
        express_lanes: int = 0,
    ) -> None:
        self.lanes = lanes
        self.express_lanes = express_lanes
        self.window_seconds = WINDOW_SECONDS
        self.max_batch = max_batch
        self.passes: list[list[Window]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.threads: dict[str, threading.Thread] = {}
        self._hear = hear or (lambda window: make_result(f" {window.index}", temperature=window.temperature))

    def load(self) -> None:
        self.threads["load"] = threading.current_thread()

    def batch_key(self, window: Window) -> Hashable:
        return (window.options.prompt, window.temperature)

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        self.passes.append(list(windows))
        self.entered.release()
        assert self.gate.wait(DEADLINE)
        if all(window.is_canceled() for window in windows):
            raise Canceled()
        return [self._hear(window) for window in windows]

    def close(self) -> None:
        self.threads["close"] = threading.current_thread()

    @property
    def heard(self) -> list[list[int]]:
        """The numbers of the windows in each pass."""
        return [[window.index for window in windows] for windows in self.passes]
