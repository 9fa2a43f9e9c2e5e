"""A recording heard as the service hears it: read, cut into windows of speech, each to its pieces and its words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from engines.audio.reader import AudioReader
from engines.audio.voice_activity import speech_frames
from engines.audio.windows import pack_speech
from engines.base import DecodeOptions, Engine, Window
from engines.speakers.diarizer import Diarizer
from engines.speakers.provisional import Provisional
from engines.speakers.voice_piece import VoicePiece
from engines.speakers.word_speakers import Voices
from engines.text.segments import segments_of
from engines.transcript import Segment


@dataclass(frozen=True, slots=True)
class Heard:
    """labels: what was told for each piece while it ran. cpu: seconds the diarizer took of it. megabytes: the most
    memory after a window."""

    seconds: float
    pieces: tuple[VoicePiece, ...]
    labels: tuple[str, ...]
    segments: tuple[Segment, ...]
    cpu: float
    megabytes: float


def windows(path: Path) -> Iterator[Window]:
    with AudioReader(path) as reader:
        for index, part in enumerate(pack_speech(speech_frames(reader))):
            yield Window(index, part.samples, part.pieces, DecodeOptions(words=True, language="en"), part.spans)


def hear(path: Path, diarizer: Diarizer, engine: Engine | None = None) -> Heard:
    """engine: decodes the words, if they are wanted; loaded."""
    told, process = Provisional(), psutil.Process()
    pieces: list[VoicePiece] = []
    labels: list[str] = []
    segments: list[Segment] = []
    cpu = megabytes = seconds = 0.0
    for window in windows(path):
        started = time.thread_time()
        own = diarizer.pieces(window)
        cpu += time.thread_time() - started
        own_labels = told.labels(own)
        pieces += own
        labels += own_labels
        if engine is not None:
            (result,) = engine.decode([window])
            not_before = segments[-1].end if segments else 0.0
            change = Voices.of_pieces(own, own_labels).change
            segments += segments_of(window, result, len(segments), not_before, change)
        seconds = window.end
        megabytes = max(megabytes, process.memory_info().rss / 1e6)
    return Heard(seconds, tuple(pieces), tuple(labels), tuple(segments), cpu, megabytes)
