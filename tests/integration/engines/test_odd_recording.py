"""Every engine writes down a recording in which all is odd that may be: one pass of the model for the lot.

What is odd is seen to before an engine hears it (`engines/audio`, and `test_odd_sound.py` case by case): this holds for
each engine that it gets what that makes. Runs for each that is installed, like the suite of what every engine promises;
repetition is in `test_spoken_cases.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.base import SAMPLE_RATE, DecodeOptions, Window, WindowResult
from engines.decoding.batcher import Batcher
from engines.decoding.transcriber import Transcription
from tests import speech
from tests.accuracy import sentence_starts, word_error_rate
from tests.integration.engines.test_engines import INSTALLED, SLOW, made
from tests.speech import Recording, Sentence
from tests.weights import converted
from tests.windows import SENTENCES

Samples = NDArray[np.float32]

CHANNELS = 6
LATE, GAP, PAUSE = 4.9, 20.0, 40.0  # seconds before the sound, never sent, and of digital zeros
MARGIN = 0.4  # seconds kept around each sentence


class Odd(NamedTuple):
    path: Path
    sentences: tuple[Sentence, ...]  # with the times a player shows


@pytest.fixture(scope="module", params=[name for name in INSTALLED if name != SLOW])
def batcher(request: pytest.FixtureRequest, tiny_en_model: Path) -> Iterator[Batcher]:
    started = Batcher(made(request.param, converted(request.param, tiny_en_model, "tiny.en")))
    started.start()
    yield started
    started.close()


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Odd:
    """The second of two tracks, the first being silent. Its sentences: the right channel is the left one upside down;
    after zeros, on the fourth of six channels; after a gap, at 2 % of full scale on an offset of 6 %, with a NaN."""
    talk = speech.speak((SENTENCES[0], SENTENCES[1], SENTENCES[3]), 2 * MARGIN)
    opposed, alone, faint = (_on_channels(_said(talk, at)) for at in range(3))
    opposed[1] = -opposed[0]
    opposed[3] = 0
    alone[[0, 1]] = 0
    faint[[0, 1]] = 0
    faint = faint * np.float32(0.04) + np.float32(0.06)
    faint[:, 1000] = np.nan
    zeros = np.zeros((CHANNELS, round(PAUSE * SAMPLE_RATE)), np.float32)
    parts = [(LATE, opposed), (0.0, zeros), (0.0, alone), (GAP, faint)]
    path = tmp_path_factory.mktemp("odd") / "odd.mkv"
    starts = _write(path, parts)
    times = (starts[0], starts[2], starts[3])
    return Odd(path, tuple(_moved(row, at) for row, at in zip(talk.sentences, times, strict=True)))


def _said(talk: Recording, at: int) -> Samples:
    row = talk.sentences[at]
    return talk.samples[round((row.start - MARGIN) * SAMPLE_RATE) : round((row.end + MARGIN) * SAMPLE_RATE)]


def _moved(row: Sentence, start: float) -> Sentence:
    return Sentence(row.text, start + MARGIN, start + MARGIN + row.end - row.start)


def _on_channels(samples: Samples) -> Samples:
    """On the first, the second and the fourth channel."""
    sound = np.zeros((CHANNELS, len(samples)), np.float32)
    sound[[0, 1, 3]] = samples
    return sound


def _write(path: Path, parts: Sequence[tuple[float, Samples]]) -> list[float]:
    """A silent track and one of the parts, each with the seconds that nothing is sent before it. Gives the times at
    which they begin."""
    starts, now = [], 0.0
    with av.open(str(path), "w", format="matroska") as container:
        silent, sounding = (container.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="5.1") for _ in range(2))
        for wait, sound in parts:
            now += wait
            starts.append(now)
            for at in range(0, sound.shape[1], SAMPLE_RATE // 10):
                piece = sound[:, at : at + SAMPLE_RATE // 10]
                for stream, samples in ((silent, np.zeros_like(piece)), (sounding, piece)):
                    packed = np.ascontiguousarray(samples.T).reshape(1, -1)
                    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="5.1")
                    frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
                    frame.pts = round(now * SAMPLE_RATE) + at
                    container.mux(stream.encode(frame))
            now += sound.shape[1] / SAMPLE_RATE
    return starts


def test_odd_sound_is_written_down_at_its_own_time(batcher: Batcher, odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Window] = []
    decode = batcher.engine.decode

    def counted(windows: Sequence[Window]) -> list[WindowResult]:
        decoded.extend(windows)
        return decode(windows)

    monkeypatch.setattr(batcher.engine, "decode", counted)
    transcription = Transcription(batcher, odd.path, DecodeOptions(language="en", words=True), "batch", 3600)
    list(transcription)
    transcript = transcription.transcript()
    assert transcription.track == 2
    assert word_error_rate(" ".join(row.text for row in odd.sentences), transcript.text) < 0.1, transcript.text
    assert sentence_starts(odd.sentences, [(word.text, word.start) for word in transcript.words]) == 1.0
    edges = [edge for word in transcript.words for edge in (word.start, word.end)]
    assert all(before <= after for before, after in pairwise(edges))
    assert all(segment.end - segment.start < 8 for segment in transcript.segments), "none goes on across a pause"
    assert {warning.code for warning in transcript.warnings} == {"damaged_input", "other_tracks"}
    assert transcript.duration == pytest.approx(odd.sentences[-1].end + MARGIN, abs=0.1)
    assert len(decoded) <= 2
