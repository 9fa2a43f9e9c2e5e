"""What services are measured against: faster-whisper in a process of its own, as a program would use it.

A floor is a process that holds one model; between its turns it is idle.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

import psutil

from scripts.benchmarking.memory import Watch
from scripts.benchmarking.timed import Heard, Load

BATCH = 8  # windows, as in the library's own examples
_model: Any = None  # of the floor's process


class Floor:
    """A model of `workers` x `threads` (CTranslate2's inter and intra threads); close it."""

    def __init__(self, weights: Path, workers: int, threads: int) -> None:
        self.name = f"{workers}x{threads}"
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), _load, (str(weights), workers, threads))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def sequential(self, path: Path, *, vad: bool = False, words: bool = False) -> Heard:
        """`WhisperModel.transcribe`, beam 5, language found."""
        return self._pool.submit(_sequential, path, vad, words).result()

    def batched(self, path: Path, *, words: bool = False) -> Load:
        """`BatchedInferencePipeline.transcribe` over one file, without timestamp tokens."""
        return self._pool.submit(_watched, _batched_all, [path], 1, words).result()

    def batched_all(self, paths: Sequence[Path], concurrency: int) -> Load:
        """The same over many files, by so many threads at once."""
        return self._pool.submit(_watched, _batched_all, list(paths), concurrency, False).result()

    def bare(self, paths: Sequence[Path], batch: int, lanes: int) -> Load:
        """`encode` and `generate` alone, on the windows our own line cuts, padded to 30 s: the model's ceiling."""
        return self._pool.submit(_watched, _bare, list(paths), lanes, batch).result()


def _load(weights: str, workers: int, threads: int) -> None:
    global _model
    from faster_whisper import WhisperModel

    _model = WhisperModel(weights, device="cpu", compute_type="int8", cpu_threads=threads, num_workers=workers)


def _sequential(path: Path, vad: bool, words: bool) -> Heard:
    begun = time.perf_counter()
    rows, _ = _model.transcribe(str(path), beam_size=5, vad_filter=vad, word_timestamps=words)
    return _heard(rows, begun)


def _watched(work: Callable[..., list[Heard]], *args: Any) -> Load:
    me = psutil.Process(os.getpid())
    with Watch(lambda: [me]) as watch:
        begun = time.perf_counter()
        heard = work(*args)
        seconds = time.perf_counter() - begun
    return Load(tuple(heard), seconds, watch.cores, watch.peak)


def _batched_all(paths: list[Path], concurrency: int, words: bool) -> list[Heard]:
    from faster_whisper import BatchedInferencePipeline

    pipeline = BatchedInferencePipeline(_model)

    def one(path: Path) -> Heard:
        begun = time.perf_counter()
        rows, _ = pipeline.transcribe(str(path), batch_size=BATCH, beam_size=5, word_timestamps=words)
        return _heard(rows, begun)

    with ThreadPoolExecutor(concurrency) as threads:
        return list(threads.map(one, paths))


def _heard(rows: Any, begun: float) -> Heard:
    segments = list(rows)  # the decoding itself: `transcribe` gives a generator
    spoken = tuple((word.word, float(word.start)) for segment in segments for word in segment.words or ())
    text = "".join(segment.text for segment in segments).strip()
    return Heard(text, spoken, time.perf_counter() - begun)


def _bare(paths: list[Path], lanes: int, batch: int) -> list[Heard]:
    import numpy as np
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import get_ctranslate2_storage

    tokenizer = Tokenizer(_model.hf_tokenizer, True, task="transcribe", language="en")
    prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
    windows = [samples for path in paths for samples in _windows(path)]
    batches = [windows[at : at + batch] for at in range(0, len(windows), batch)]

    def one(rows: list[Any]) -> Heard:
        begun = time.perf_counter()
        padded = [np.pad(row, (0, 480_000 - len(row))) for row in rows]
        features = np.stack([_model.feature_extractor(row, padding=0)[:, :3000] for row in padded])
        encoded = _model.model.encode(get_ctranslate2_storage(features), to_cpu=False)
        results = _model.model.generate(encoded, [prompt] * len(rows), beam_size=5, max_length=448)
        text = " ".join(tokenizer.decode(result.sequences_ids[0]) for result in results)
        return Heard(text, (), time.perf_counter() - begun)

    with ThreadPoolExecutor(lanes) as threads:
        return list(threads.map(one, batches))


def _windows(path: Path) -> list[Any]:
    from engines.audio.reader import AudioReader
    from engines.audio.voice_activity import speech_frames
    from engines.audio.windows import pack_speech

    with AudioReader(path) as reader:
        return [speech.samples for speech in pack_speech(speech_frames(iter(reader)))]
