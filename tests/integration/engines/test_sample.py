"""The sample's text is what real weights hear in it: the README's first answer depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from faster_whisper import WhisperModel

from tests.accuracy import normalised
from tests.conftest import Sample


@pytest.mark.parametrize("weights", ["tiny_en_model", "base_model"])
def test_the_sample_is_heard_word_for_word(sample: Sample, weights: str, request: pytest.FixtureRequest) -> None:
    directory: Path = request.getfixturevalue(weights)
    model = WhisperModel(str(directory), device="cpu", compute_type="int8", cpu_threads=2)
    segments, _ = model.transcribe(str(sample.path), beam_size=5)
    assert normalised("".join(segment.text for segment in segments)) == normalised(sample.text)
