"""Writes weights that were read from CTranslate2's format in those of the other engines: MLX, ggml, PyTorch.

So the weights that come with the installation serve every engine, without a model hub.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from engines.weights.ctranslate2_file import Array, WhisperWeights

GGML_MAGIC = 0x67676D6C
_N_FFT_BINS = 201
_CONV_BIASES = ("encoder.conv1.bias", "encoder.conv2.bias")
_KEPT_FLOAT32 = (*_CONV_BIASES, "encoder.positional_embedding", "decoder.positional_embedding")


def write_mlx(weights: WhisperWeights, target: Path) -> None:
    """A directory as mlx-whisper takes it: `config.json` and `weights.npz`, written last."""
    arrays = {_mlx_name(name): _mlx_array(name, array) for name, array in weights.arrays.items()}
    del arrays["encoder.positional_embedding"]  # computed there
    arrays["alignment_heads"] = np.array(weights.alignment_heads, np.int32)
    target.mkdir(parents=True, exist_ok=True)
    (target / "config.json").write_text(json.dumps(asdict(weights.dimensions)), encoding="utf-8")
    aside = target / f"weights.{os.getpid()}.npz"
    np.savez(aside, allow_pickle=False, **arrays)
    os.replace(aside, target / "weights.npz")


def write_ggml(weights: WhisperWeights, mel_filters: NDArray[np.float32], target: Path) -> None:
    """A file as whisper.cpp takes it, in 16-bit floats. mel_filters: shape (n_mels, 201)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.{os.getpid()}.part")
    with open(aside, "wb") as file:
        _write_ggml_head(file, weights, mel_filters)
        for name, array in weights.arrays.items():
            _write_ggml_array(file, name, array)
    os.replace(aside, target)


def write_pytorch(weights: WhisperWeights, target: Path) -> None:
    """A checkpoint as openai-whisper takes it."""
    import torch

    state = {name: torch.from_numpy(array.copy()) for name, array in weights.arrays.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.{os.getpid()}.part")
    torch.save({"dims": asdict(weights.dimensions), "model_state_dict": state}, aside)
    os.replace(aside, target)


def _mlx_name(name: str) -> str:
    return name.replace(".mlp.0.", ".mlp1.").replace(".mlp.2.", ".mlp2.")


def _mlx_array(name: str, array: Array) -> Array:
    return array.swapaxes(1, 2) if name in ("encoder.conv1.weight", "encoder.conv2.weight") else array


def _write_ggml_head(file: BinaryIO, weights: WhisperWeights, mel_filters: NDArray[np.float32]) -> None:
    size = weights.dimensions
    audio = (size.n_audio_ctx, size.n_audio_state, size.n_audio_head, size.n_audio_layer)
    text = (size.n_text_ctx, size.n_text_state, size.n_text_head, size.n_text_layer)
    _write_numbers(file, (GGML_MAGIC, size.n_vocab, *audio, *text, size.n_mels, 1))
    _write_numbers(file, (size.n_mels, _N_FFT_BINS))
    file.write(mel_filters.astype("<f4").tobytes())
    _write_numbers(file, (len(weights.vocabulary),))
    for token in weights.vocabulary:
        _write_numbers(file, (len(token),))
        file.write(token)


def _write_ggml_array(file: BinaryIO, name: str, array: Array) -> None:
    is_exact = array.ndim == 1 or name in _KEPT_FLOAT32
    if name in _CONV_BIASES:
        array = array.reshape(-1, 1)
    encoded = name.encode()
    _write_numbers(file, (array.ndim, len(encoded), 0 if is_exact else 1, *reversed(array.shape)))
    file.write(encoded)
    file.write(array.astype("<f4" if is_exact else "<f2").tobytes())


def _write_numbers(file: BinaryIO, numbers: Iterable[int]) -> None:
    for number in numbers:
        file.write(struct.pack("<I", number))
