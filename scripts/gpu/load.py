"""One file, many callers, a clip beside a meeting: what the line makes of the passes, and where the time goes."""

from __future__ import annotations

import threading
import time
import wave
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from engines.audio.reader import AudioReader
from engines.audio.recordings.reader_processes import ReaderProcesses
from engines.audio.recordings.recording import OpenRecording, read_here
from engines.audio.voice_activity import speech_frames
from engines.audio.windows import pack_speech
from engines.base import SAMPLE_RATE, DecodeOptions, Engine, Window, WindowResult
from engines.decoding.batcher import Batcher
from engines.decoding.schedule import Priority
from engines.decoding.transcriber import Transcription
from scripts.benchmarking.report import Figure
from scripts.benchmarking.timed import percentile
from scripts.gpu.budget import Budget
from scripts.gpu.memory import taken, used_and_free
from scripts.gpu.trial import SAMPLE

CALLERS = (1, 8, 64)
EACH = 4  # clips of each caller
READERS = 2  # processes that read long recordings, as the service has them beside a GPU
BESIDE = 8  # clips beside the meeting
SLOWER = 3.0  # times that one may take beside it, as long as one that is alone
LEFT = 0.25  # of the memory that larger passes take is left, to see them halved
OPTIONS = DecodeOptions(language="en", words=True)


class Loads:
    """Over a batcher whose engine is loaded. file: a recording of minutes; clip: the sample."""

    def __init__(self, batcher: Batcher, file: Path, budget: Budget) -> None:
        self._batcher = batcher
        self._file = file
        self._budget = budget
        self._readers = ReaderProcesses(READERS)

    def measure(self) -> Iterator[Figure]:
        try:
            yield from self._all()
        finally:
            self._readers.close()

    def _all(self) -> Iterator[Figure]:
        yield from self._one_file()
        alone = 0.0
        for callers in CALLERS:
            if not self._budget.has(1.2 * callers * EACH * alone):  # at worst one after the other
                yield Figure(f"{callers} callers with clips of 11.6 s", "left out: no time")
                break
            seconds, figure = self._callers(callers)
            alone = alone or median(seconds)
            yield figure
        if self._budget.has(4 * BESIDE * alone):
            yield self._beside(alone)
        else:
            yield Figure("a clip beside a meeting", "left out: no time")

    def _one_file(self) -> Iterator[Figure]:
        began = time.monotonic()
        with AudioReader(self._file) as reader:
            windows = sum(1 for _ in pack_speech(speech_frames(reader)))
        feed = time.monotonic() - began
        with watched(self._batcher.engine) as passes:
            began, used = time.monotonic(), time.process_time()
            transcribe(self._batcher, self._file, "batch", self._readers.open)
            seconds, used = time.monotonic() - began, time.process_time() - used
        length = seconds_of(self._file)
        yield Figure(f"one file of {length / 60:.1f} minutes", f"{seconds:.1f} s, {length / seconds:.0f} x real time")
        yield Figure("… read, heard and packed by itself", f"{feed:.1f} s, {length / feed:.0f} x, {windows} windows")
        share = f"{passes.seconds:.1f} s of it ({passes.seconds / seconds:.0%}), {passes.windows} windows"
        yield Figure("… in passes", share)
        yield Figure(
            "… processor time of this process, without the one that reads", f"{used:.1f} s, {used / seconds:.1f} cores"
        )

    def _callers(self, callers: int) -> tuple[list[float], Figure]:
        def ask(_: int) -> float:
            began = time.monotonic()
            transcribe(self._batcher, SAMPLE, "interactive")
            return time.monotonic() - began

        count = callers * EACH
        with watched(self._batcher.engine) as passes, ThreadPoolExecutor(callers) as pool:
            began = time.monotonic()
            seconds = list(pool.map(ask, range(count)))
            taken_all = time.monotonic() - began
        speed = f"{count / taken_all:.1f} clips a second, {count * seconds_of(SAMPLE) / taken_all:.0f} x real time"
        waits = f"p50 {median(seconds):.2f} s, p95 {percentile(seconds, 0.95):.2f} s"
        each = passes.windows / max(passes.count, 1)
        busy = f"passes {passes.seconds / taken_all:.0%} of the time, {each:.1f} windows each"
        return seconds, Figure(f"{callers} callers with clips of 11.6 s", f"{speed}; {waits}; {busy}")

    def _beside(self, alone: float) -> Figure:
        """alone: seconds of a clip without a meeting."""
        is_over = threading.Event()

        def meet() -> None:
            while not is_over.is_set():
                transcribe(self._batcher, self._file, "batch", self._readers.open, is_over)

        meeting = threading.Thread(target=meet)
        meeting.start()
        try:
            time.sleep(2 * alone)  # its windows fill the passes by then
            seconds = []
            for _ in range(BESIDE):
                began = time.monotonic()
                transcribe(self._batcher, SAMPLE, "interactive")
                seconds.append(time.monotonic() - began)
        finally:
            is_over.set()
            meeting.join()
        times = median(seconds) / alone
        value = f"p50 {median(seconds):.2f} s, at most {max(seconds):.2f} s, {times:.1f} x as long as alone"
        return Figure("a clip beside a meeting", value, f"{SLOWER:g} x at most", met=times <= SLOWER)


class Passes:
    """Those that a watched engine made. seconds: in which one was in hand, all lanes in sum."""

    def __init__(self) -> None:
        self.count = self.windows = 0
        self.seconds = 0.0
        self._lock = threading.Lock()

    def add(self, windows: int, seconds: float) -> None:
        with self._lock:
            self.count += 1
            self.windows += windows
            self.seconds += seconds


@contextmanager
def watched(engine: Engine) -> Iterator[Passes]:
    """Counts the engine's passes."""
    passes, decode = Passes(), engine.decode

    def counted(windows: Sequence[Window]) -> list[WindowResult]:
        began = time.monotonic()
        try:
            return decode(windows)
        finally:
            passes.add(len(windows), time.monotonic() - began)

    engine.decode = counted  # type: ignore[method-assign]  # for as long as it is watched
    try:
        yield passes
    finally:
        del engine.decode  # the class's own is there again


def halving(batcher: Batcher, window: Window, device: str, grown: int) -> Figure:
    """Passes in a GPU whose memory is taken. grown: bytes by which larger passes made its use grow."""
    name, before = "passes if the memory runs out", batcher.max_batch
    known = used_and_free(device)
    if known is None or before == 1 or not grown:
        return Figure(name, "left out: there is no GPU here whose memory could be taken")
    with taken(device, int(LEFT * grown)):
        stream = batcher.open("batch")
        asked = [stream.submit(window) for _ in range(2 * before)]
        texts = {each.result().text for each in asked}
        stream.close()
    value = f"from {before} windows to {batcher.max_batch}, {len(asked)} answered, {len(texts)} different"
    return Figure(name, value, "all answered", met=True)


def long_file(folder: Path, minutes: float) -> Path:
    """The sample over and over, as a WAV."""
    with AudioReader(SAMPLE) as reader:
        samples = np.concatenate(list(reader))
    times = max(1, round(60 * minutes * SAMPLE_RATE / len(samples)))
    path = folder / "meeting.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for _ in range(times):
            file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def seconds_of(path: Path) -> float:
    with AudioReader(path) as reader:
        return sum(len(samples) for samples in reader) / SAMPLE_RATE


def transcribe(
    batcher: Batcher,
    path: Path,
    priority: Priority,
    open_recording: OpenRecording = read_here,
    is_over: threading.Event | None = None,
) -> None:
    for _ in Transcription(batcher, path, OPTIONS, priority, 24 * 3600.0, open_recording=open_recording):
        if is_over and is_over.is_set():
            return
