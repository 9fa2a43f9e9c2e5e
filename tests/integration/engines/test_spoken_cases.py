"""How people really talk, through the whole line with real weights of base: again and again, and full of titles.
Runs for each engine that is installed, like the suite of what every engine promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from engines.base import SAMPLE_RATE, DecodeOptions, Window, WindowResult
from engines.decoding.batcher import Batcher
from engines.decoding.transcriber import Transcription
from engines.transcript import Transcript
from tests import media, speech
from tests.accuracy import normalised, start_errors
from tests.conftest import Sample
from tests.integration.engines.test_engines import INSTALLED, SLOW, made
from tests.weights import converted

REPETITIONS = {
    "no": "No, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, I said no!",
    "very": "This is very, very, very, very, very, very, very, very, very, very, very, very good work.",
}
AFTER = "The meeting ends at nine and we talk about the budget."
TITLES = [
    "Yesterday Doctor Smith met Mister Jones and Missus Brown in the U S Embassy on Saint James Street.",
    "Our guest today is Martin Luther King Junior, who lives at number five Saint George's Road.",
]


@pytest.fixture(scope="module", params=[name for name in INSTALLED if name != SLOW])
def batcher(request: pytest.FixtureRequest, base_model: Path) -> Iterator[Batcher]:
    started = Batcher(made(request.param, converted(request.param, base_model, "base")))
    started.start()
    yield started
    started.close()


def transcribe(batcher: Batcher, path: Path) -> Transcript:
    transcription = Transcription(batcher, path, DecodeOptions(language="en", words=True), "batch", 3600)
    list(transcription)
    return transcription.transcript()


def counted(batcher: Batcher, monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """The windows that the engine decodes from now on, each as often as it does."""
    decoded: list[Window] = []
    decode = batcher.engine.decode

    def counting(windows: Sequence[Window]) -> list[WindowResult]:
        decoded.extend(windows)
        return decode(windows)

    monkeypatch.setattr(batcher.engine, "decode", counting)
    return decoded


@pytest.mark.parametrize("word", ["no", pytest.param("very", marks=pytest.mark.slow)])
def test_the_words_after_a_repetition_are_there(
    batcher: Batcher, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it costs at most three passes: all attempts used to be made, and the longest loop to be kept."""
    decoded = counted(batcher, monkeypatch)
    said = speech.speak([REPETITIONS[word], AFTER], pauses=0.6)
    text = transcribe(batcher, media.write(tmp_path / "again.flac", said.samples)).text
    assert normalised(text).endswith(normalised(AFTER))
    spoken = REPETITIONS[word].lower().count(word)
    assert spoken / 2 <= text.lower().count(word) <= spoken * 1.5
    assert len(decoded) <= 3


@pytest.mark.slow
def test_the_same_talk_again_is_decoded_once(
    batcher: Batcher, sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or twice, if its encoding was shortened: all attempts used to be made since the text compresses so well.

    Slow: the third text of its kind here."""
    decoded = counted(batcher, monkeypatch)
    twice = np.tile(media.read(sample.path, SAMPLE_RATE), 2)
    text = transcribe(batcher, media.write(tmp_path / "twice.flac", twice)).text
    assert normalised(text) == normalised(f"{sample.text} {sample.text}")
    assert len(decoded) <= 2


@pytest.mark.slow
def test_a_spoken_count_costs_three_passes_at_most(
    batcher: Batcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Little in it is new, so all attempts used to be made. Slow: the fourth text of its kind here."""
    decoded = counted(batcher, monkeypatch)
    spoken = speech.speak(["One, two, three."] * 8, pauses=0.5)
    text = transcribe(batcher, media.write(tmp_path / "count.flac", spoken.samples)).text.lower()
    assert 5 <= text.count("three") + text.count("3") <= 11
    assert len(decoded) <= 3


@pytest.mark.slow
def test_what_the_model_passes_over_takes_no_word_from_its_time(batcher: Batcher, tmp_path: Path) -> None:
    """base writes nothing of the song; alignment gave its five seconds to "The meeting", which came 3 s early.

    Slow: half a minute of speech."""
    song = "Row, " * 14 + "row your boat."
    spoken = speech.speak(["The first train leaves at seven.", song, AFTER], pauses=0.6)
    transcript = transcribe(batcher, media.write(tmp_path / "over.flac", spoken.samples))
    assert normalised(transcript.text).endswith(normalised(AFTER))
    late = start_errors(spoken.sentences, [(word.text, word.start) for word in transcript.words])[-1]
    assert late == pytest.approx(0, abs=0.3)


def test_no_segment_ends_in_an_abbreviation(batcher: Batcher, tmp_path: Path) -> None:
    said = speech.speak(TITLES, pauses=0.6)
    found = [
        segment.text for segment in transcribe(batcher, media.write(tmp_path / "titles.flac", said.samples)).segments
    ]
    assert len(found) == 2
    assert "Dr." in found[0]
