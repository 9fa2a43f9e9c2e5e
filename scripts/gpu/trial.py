"""One engine and model in one number format, the window it is tried with, and how far its words are from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from engines.audio.reader import AudioReader
from engines.audio.voice_activity import speech_frames
from engines.audio.windows import pack_speech
from engines.base import DecodeOptions, Engine, Window, WindowResult
from engines.registry import EngineOptions, create_engine
from scripts.gpu.made import SAYS, is_made, weights_of

SAMPLE = Path(__file__).parents[2] / "samples" / "meeting.mp3"
OPTIONS = DecodeOptions(language="en", words=True)


@dataclass(frozen=True, slots=True)
class Trial:
    """model: a name, a directory, or `made:` and a name. device: as WHISPER_DEVICE takes it."""

    engine: str
    model: str
    compute_type: str
    device: str
    data_dir: Path

    def create(self) -> Engine:
        weights = weights_of(self.model, self.data_dir)
        options = EngineOptions(weights, self.device, self.compute_type, max_batch=1, data_dir=self.data_dir)
        return create_engine(self.engine, options)

    def __str__(self) -> str:
        return f"{self.engine}, {self.model}, {self.compute_type}"


def full_window() -> Window:
    """Nearly 30 s of speech: the sample over and over."""
    with AudioReader(SAMPLE) as reader:
        samples = np.tile(np.concatenate(list(reader)), 4)
    speech = next(pack_speech(speech_frames([samples])))
    return Window(0, speech.samples, speech.pieces, OPTIONS, speech.spans)


def heard_on_cpu(model: str, window: Window, data_dir: Path) -> list[str]:
    """What is made says the same on every device: it is made, and not loaded."""
    if is_made(model):
        weights_of(model, data_dir)
        return words_in(SAYS)
    engine = Trial("faster-whisper", model, "float32", "cpu", data_dir).create()
    engine.load()
    try:
        return words_of(engine.decode([window])[0])
    finally:
        engine.close()


def words_of(result: WindowResult) -> list[str]:
    return words_in(result.text)


def words_in(text: str) -> list[str]:
    return ["".join(filter(str.isalnum, word)).lower() for word in text.split()]


def difference(expected: Sequence[str], heard: Sequence[str]) -> float:
    """The share of words that are not the same in both, in order."""
    same = sum(block.size for block in SequenceMatcher(None, expected, heard, autojunk=False).get_matching_blocks())
    return 1 - same / max(len(expected), len(heard), 1)
