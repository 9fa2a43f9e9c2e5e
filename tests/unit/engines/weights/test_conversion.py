"""The weights that come in packages become those of the other engines, array for array, and damage is noticed."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from engines.errors import ModelNotFound
from engines.weights.conversion import write_ggml, write_mlx
from engines.weights.ctranslate2_file import Dimensions, WhisperWeights, read_ctranslate2
from engines.weights.ggml import read_ggml


@pytest.fixture(scope="module")
def weights(tiny_en_model: Path) -> WhisperWeights:
    return read_ctranslate2(tiny_en_model)


@pytest.fixture(scope="module")
def ggml(weights: WhisperWeights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("ggml") / "tiny.en.bin"
    write_ggml(weights, np.zeros((80, 201), np.float32), target)
    return target


def test_the_shape_is_that_of_openais_model(weights: WhisperWeights) -> None:
    assert weights.dimensions == Dimensions(80, 1500, 384, 6, 4, 51864, 448, 384, 6, 4)
    assert len(weights.arrays) == 167
    assert weights.alignment_heads == ((1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4))


def test_the_vocabulary_is_bytes(weights: WhisperWeights) -> None:
    assert len(weights.vocabulary) == 50256
    assert weights.vocabulary[383] == b" The"
    assert b"\n" in weights.vocabulary


def test_keys_have_no_bias_and_queries_have(weights: WhisperWeights) -> None:
    assert "encoder.blocks.0.attn.query.bias" in weights.arrays
    assert not [name for name in weights.arrays if name.endswith("key.bias")]


def test_mlx_gets_all_arrays_and_turns_the_convolutions(weights: WhisperWeights, tmp_path: Path) -> None:
    write_mlx(weights, tmp_path)
    arrays = np.load(tmp_path / "weights.npz")
    assert len(arrays.files) == len(weights.arrays)  # alignment heads in, the encoder's positions out
    assert arrays["encoder.conv1.weight"].shape == (384, 3, 80)
    assert json.loads((tmp_path / "config.json").read_text())["n_text_layer"] == 4


def test_ggml_gets_a_whole_file(ggml: Path) -> None:
    header = read_ggml(ggml)
    assert (header.n_vocab, header.arrays) == (51864, 167)


@pytest.mark.parametrize("cut", [0, 3, 40, 70_000, 1_000_000, -1])
def test_a_ggml_file_that_ends_too_early_is_noticed(ggml: Path, cut: int, tmp_path: Path) -> None:
    (tmp_path / "cut.bin").write_bytes(ggml.read_bytes()[:cut])
    with pytest.raises(ModelNotFound, match=r"cut\.bin' is no whole ggml model"):
        read_ggml(tmp_path / "cut.bin")


def test_weights_for_ctranslate2_are_no_ggml(tiny_en_model: Path) -> None:
    with pytest.raises(ModelNotFound, match="does not begin like one"):
        read_ggml(tiny_en_model / "model.bin")


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_what_cannot_be_converted_says_so(tiny_en_model: Path, damage: str, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((tiny_en_model / name).read_bytes())
    if damage == "cut":
        (tmp_path / "model.bin").write_bytes((tiny_en_model / "model.bin").read_bytes()[:1_000_000])
    elif damage == "other":
        (tmp_path / "model.bin").write_bytes(struct.pack("<I", 5) + bytes(100))
    with pytest.raises(ModelNotFound, match="cannot be converted"):
        read_ctranslate2(tmp_path)
