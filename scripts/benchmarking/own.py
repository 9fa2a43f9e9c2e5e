"""What is measured of our own parts without the running service: a second instance, the line without its ladder."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engines.audio.reader import AudioReader
from engines.audio.voice_activity import speech_frames
from engines.audio.windows import pack_speech
from engines.base import DecodeOptions
from engines.decoding.batcher import Batcher
from engines.decoding.quality import Ladder
from engines.decoding.transcriber import Transcription
from engines.registry import EngineOptions, create_engine
from scripts.benchmarking import corpus
from scripts.benchmarking.targets import Native
from scripts.benchmarking.timed import Heard
from tests import media, speech
from tests.acceptance.live import LiveService
from worker.settings import WorkerSettings


@contextmanager
def service(name: str, **settings: str) -> Iterator[tuple[Native, float, Path]]:
    """A service of its own, the seconds it took to be ready, and the directory its jobs lie in."""
    with tempfile.TemporaryDirectory() as folder:
        live = LiveService(Path(folder) / name, settings)
        models = WorkerSettings().data_dir.resolve() / "models"
        if models.is_dir():
            live.data.mkdir(parents=True)
            (live.data / "models").symlink_to(models, target_is_directory=True)
        begun = time.perf_counter()
        live.start()
        seconds = time.perf_counter() - begun
        try:
            with Native(name, live.url, "whisper-1") as target:
                yield target, seconds, live.data / "jobs"
        finally:
            live.stop()


def length(path: Path) -> float:
    """Seconds of audio in a file, decoded."""
    with AudioReader(path) as reader:
        for _ in reader:
            continue
        return reader.decoded


def without_model(path: Path, times: int = 5) -> list[float]:
    """Seconds that reading the file and cutting it into windows takes."""
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        with AudioReader(path) as reader:
            list(pack_speech(speech_frames(iter(reader))))
        seconds.append(time.perf_counter() - begun)
    return seconds


def line(model: str, paths: Sequence[Path], *, ladder: bool = True, context: bool = False) -> list[Heard]:
    """Our own line in this process. Without the ladder it takes whatever the first decoding gives; with context each
    window is given the text before it."""
    with batcher(model, ladder=ladder) as running:
        return [heard(running, path, context=context)[0] for path in paths]


@contextmanager
def batcher(model: str, *, ladder: bool = True, **changes: Any) -> Iterator[Batcher]:
    """changes: of the EngineOptions."""
    options = EngineOptions(model=model, device="cpu", compute_type="int8", data_dir=WorkerSettings().data_dir)
    engine = create_engine("faster-whisper", replace(options, **changes))
    running = Batcher(engine, Ladder() if ladder else Ladder(temperatures=(0.0,)))
    running.start()
    try:
        yield running
    finally:
        running.close()


def heard(running: Batcher, path: Path, *, words: bool = False, context: bool = False) -> tuple[Heard, float]:
    """What the line makes of a file, and the seconds of processor time it took."""
    begun, used = time.perf_counter(), time.process_time()
    transcription = Transcription(running, path, DecodeOptions(words=words), "batch", float("inf"), context=context)
    for _ in transcription:
        pass
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    transcript = transcription.transcript()
    return Heard(transcript.text, tuple((word.text, word.start) for word in transcript.words), seconds), used


def very_long() -> Iterator[tuple[str, Path, float]]:
    """Name, file and hours: three hours of talk, ten hours of which almost all is silence."""
    talk = speech.recording(45).samples
    yield "3 hours of talk", corpus.over_and_over(45, 3), 3.0
    path = corpus.CACHE / "silence-10h.mp3"
    if not path.exists():
        hour = np.concatenate([talk[: 60 * speech.SAMPLE_RATE], speech.silence(59 * 60)])
        media.write(path, np.tile(hour, 10), bit_rate=32_000)
    yield "10 hours, nearly all silence", path, 10.0
