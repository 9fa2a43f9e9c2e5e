"""A model of random weights is read as one of its shape, and says the same whatever it hears."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.errors import ModelNotFound
from engines.weights.ctranslate2 import carries_base
from engines.weights.ctranslate2_file import read_ctranslate2
from scripts.gpu.made import SAYS, SHAPES, weights_of
from scripts.gpu.trial import Trial, full_window, heard_on_cpu, words_in

pytestmark = pytest.mark.skipif(not carries_base(), reason="install requirements.txt: it has the tokenizer of base")


def test_a_made_model_has_its_shape_and_says_its_sentences_in_every_format(tmp_path: Path) -> None:
    weights = read_ctranslate2(Path(weights_of("made:tiny", tmp_path)))
    assert weights.dimensions == SHAPES["tiny"]
    window = full_window()
    for compute_type in ("float32", "int8"):
        engine = Trial("faster-whisper", "made:tiny", compute_type, "cpu", tmp_path).create()
        engine.load()
        results = engine.decode([window])
        engine.close()
        assert [result.text for result in results] == [SAYS]
        assert all(result.temperature == 0 and len(result.words) == len(SAYS.split()) for result in results)
    assert heard_on_cpu("made:tiny", window, tmp_path) == words_in(SAYS)


def test_a_shape_nobody_knows_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="'huge'"):
        weights_of("made:huge", tmp_path)
    assert weights_of("base", tmp_path) == "base"
