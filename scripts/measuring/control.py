"""What the service is measured against: faster-whisper as everybody calls it, in one process, sequentially."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from scripts.measuring.memory import MemoryWatch, Peak
from scripts.measuring.service import Heard


def load(weights: Path) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=2, num_workers=1)


def transcribe(model: Any, path: Path, *, vad: bool = False, words: bool = False) -> Heard:
    """Beam 5 and automatic language; the time includes reading the file."""
    begun = time.perf_counter()
    rows, _ = model.transcribe(str(path), beam_size=5, vad_filter=vad, word_timestamps=words)
    segments = list(rows)  # the decoding itself: `transcribe` gives a generator
    seconds = time.perf_counter() - begun
    spoken = tuple((word.word, float(word.start)) for segment in segments for word in segment.words or ())
    return Heard("".join(segment.text for segment in segments).strip(), spoken, seconds)


def transcribe_apart(weights: Path, path: Path, *, words: bool = False) -> tuple[Heard, Peak]:
    """With voice activity, in a process of its own, which gives its memory back when it ends."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_transcribe_watched, weights, path, words).result()


def _transcribe_watched(weights: Path, path: Path, words: bool) -> tuple[Heard, Peak]:
    with MemoryWatch({"control": os.getpid()}) as watch:
        heard = transcribe(load(weights), path, vad=True, words=words)
    return heard, watch.peaks["control"]
