"""Reads Whisper weights out of CTranslate2's `model.bin`, under the names that OpenAI's own checkpoints use."""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.errors import ModelNotFound

Array = NDArray[np.generic]

_FORMAT = (6, "WhisperSpec", 3)  # version of the file, what it holds, and that one's revision
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}

# CTranslate2's part of a layer -> OpenAI's; {0} is the layer's number
_ENCODER_PARTS = {
    "self_attention/layer_norm": "attn_ln",
    "self_attention/linear_1": "attn.out",
    "ffn/layer_norm": "mlp_ln",
    "ffn/linear_0": "mlp.0",
    "ffn/linear_1": "mlp.2",
}
_DECODER_PARTS = {
    **_ENCODER_PARTS,
    "attention/layer_norm": "cross_attn_ln",
    "attention/linear_0": "cross_attn.query",
    "attention/linear_2": "cross_attn.out",
}
_SPLIT = {  # one matrix there, several here
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
}
_SUFFIXES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


@dataclass(frozen=True, slots=True)
class Dimensions:
    """A Whisper model's shape, in the order and under the names of openai/whisper's `ModelDimensions`."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int


@dataclass(frozen=True, slots=True, eq=False)
class WhisperWeights:
    """arrays: OpenAI's names -> float16 or float32. alignment_heads: (layer, head) pairs, for word times. vocabulary:
    the bytes of every token before the special ones, in the order of their ids."""

    dimensions: Dimensions
    arrays: dict[str, Array]
    alignment_heads: tuple[tuple[int, int], ...]
    vocabulary: tuple[bytes, ...]


def read_ctranslate2(directory: Path) -> WhisperWeights:
    """The weights of a directory with `model.bin`, `config.json` and `tokenizer.json`. Raises ModelNotFound for a file
    that is damaged, or in a format that is not read here (quantised weights, say)."""
    try:
        variables = dict(_variables(directory / "model.bin"))
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        arrays = dict(_openai_names(variables))
        return WhisperWeights(
            dimensions=_dimensions(variables, arrays),
            arrays=arrays,
            alignment_heads=tuple((layer, head) for layer, head in config["alignment_heads"]),
            vocabulary=_vocabulary(directory / "tokenizer.json"),
        )
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise ModelNotFound(f"The weights in '{directory}' cannot be converted: {error}") from error


def _variables(path: Path) -> Iterator[tuple[str, Array]]:
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    at = 0

    def number(kind: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{kind}", data, at)
        at += struct.calcsize(kind)
        return int(value)

    def string() -> str:
        nonlocal at
        size = number("H")
        at += size
        return data[at - size : at - 1].decode()  # without the closing NUL

    if (found := (number("I"), string(), number("I"))) != _FORMAT:
        raise ValueError(f"not version {_FORMAT} but {found}")
    for _ in range(number("I")):
        name = string()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = number("B"), number("I")
        if kind not in _TYPES:
            raise ValueError(f"'{name}' has the number format {kind}")
        array = np.frombuffer(data, _TYPES[kind], size // np.dtype(_TYPES[kind]).itemsize, at)
        yield name, array.reshape(shape)
        at += size


def _openai_names(variables: dict[str, Array]) -> Iterator[tuple[str, Array]]:
    for name, array in variables.items():
        if array.dtype not in (np.float16, np.float32):
            if array.dtype == np.int8 and array.size > 1:
                raise ValueError("they are quantised")
            continue  # numbers about the model, such as its heads
        side, _, rest = name.partition("/")
        if rest.startswith("layer_") and not rest.startswith("layer_norm"):
            yield from _of_layer(side, rest, array)
        elif rest == "position_encodings/encodings":
            yield f"{side}.positional_embedding", array
        elif rest == "embeddings/weight":
            yield "decoder.token_embedding.weight", array
        elif rest.startswith("layer_norm"):
            norm = "encoder.ln_post" if side == "encoder" else "decoder.ln"
            yield f"{norm}.{_SUFFIXES[rest.rpartition('/')[2]]}", array
        elif rest.startswith("conv"):
            yield f"{side}.{rest.replace('/', '.')}", array


def _of_layer(side: str, rest: str, array: Array) -> Iterator[tuple[str, Array]]:
    layer, _, part = rest.removeprefix("layer_").partition("/")
    part, _, kind = part.rpartition("/")
    prefix, suffix = f"{side}.blocks.{layer}", _SUFFIXES[kind]
    if part in _SPLIT:
        names = _SPLIT[part]
        for name, own in zip(names, np.split(array, len(names)), strict=True):
            if not (name.endswith("key") and suffix == "bias"):  # always zero: Whisper's keys have none
                yield f"{prefix}.{name}.{suffix}", own
    else:
        yield f"{prefix}.{(_ENCODER_PARTS if side == 'encoder' else _DECODER_PARTS)[part]}.{suffix}", array


def _dimensions(variables: dict[str, Array], arrays: dict[str, Array]) -> Dimensions:
    audio_state, n_mels, _ = arrays["encoder.conv1.weight"].shape
    n_vocab, text_state = arrays["decoder.token_embedding.weight"].shape

    def layers(side: str) -> int:
        return sum(name.startswith(f"{side}.blocks.") and name.endswith(".mlp.0.bias") for name in arrays)

    return Dimensions(
        n_mels=n_mels,
        n_audio_ctx=len(arrays["encoder.positional_embedding"]),
        n_audio_state=audio_state,
        n_audio_head=int(variables["encoder/num_heads"]),
        n_audio_layer=layers("encoder"),
        n_vocab=n_vocab,
        n_text_ctx=len(arrays["decoder.positional_embedding"]),
        n_text_state=text_state,
        n_text_head=int(variables["decoder/num_heads"]),
        n_text_layer=layers("decoder"),
    )


def _vocabulary(path: Path) -> tuple[bytes, ...]:
    """GPT-2 writes each byte of a token as a printable character."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    end = next(row["id"] for row in settings["added_tokens"] if row["content"] == "<|endoftext|>")
    letters = {letter: byte for byte, letter in _byte_letters()}
    by_id = {number: token for token, number in settings["model"]["vocab"].items() if number < end}
    return tuple(bytes(letters[letter] for letter in by_id[number]) for number in range(end))


def _byte_letters() -> Iterator[tuple[int, str]]:
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = iter(range(256, 512))
    for byte in range(256):
        yield byte, chr(byte if byte in printable else next(others))
