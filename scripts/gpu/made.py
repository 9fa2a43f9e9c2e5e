"""Models of random numbers in the shape of a known one, made where they are tried: they take the time and the memory of
that model, and say the same whatever they hear.

The residual stream carries each position's own vector past the random layers, and that vector is the next word's: so
every window has as many steps of the decoder as speech of half a minute, and no more.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from engines.errors import ModelNotFound
from engines.weights.ctranslate2 import weights_on_this_machine
from engines.weights.ctranslate2_file import Dimensions

PREFIX = "made:"
TOKENIZER = "tokenizer"  # a folder beside the models, if `base` is not carried
TOKENIZER_FILES = ("config.json", "tokenizer.json", "vocabulary.txt")
# The vocabulary is that of `base`, which comes with every installation: one word less than large-v3 has.
SHAPES = {
    "tiny": Dimensions(80, 1500, 384, 6, 4, 51865, 448, 384, 6, 4),
    "base": Dimensions(80, 1500, 512, 8, 6, 51865, 448, 512, 8, 6),
    "small": Dimensions(80, 1500, 768, 12, 12, 51865, 448, 768, 12, 12),
    "medium": Dimensions(80, 1500, 1024, 16, 24, 51865, 448, 1024, 16, 24),
    "large-v3": Dimensions(128, 1500, 1280, 20, 32, 51865, 448, 1280, 20, 32),
    "large-v3-turbo": Dimensions(128, 1500, 1280, 20, 32, 51865, 448, 1280, 20, 4),
}
START = ("<|en|>", "<|transcribe|>", "<|notimestamps|>")  # what follows <|startoftranscript|>
SAYS = (  # a hundred tokens, no phrase twice: about what is said in half a minute
    " Every spring the river rises above the lower path, and the gardeners move their tools into an old brick shed near"
    " the station. Nobody remembers who built it, though a small plate beside the door names three sisters and their"
    " mill. Last week we counted forty boxes of seed, two broken pumps and one very patient cat. Tomorrow, weather"
    " permitting, visitors may help to plant beans, onions and pale yellow roses along the southern wall."
)
END = 50257  # the token after which nothing is said
_GELU = 3
_OWN = 4.0  # how much longer the vector of a position is than that of the word before
_LAYERS = 0.1  # standard deviation of what comes out of a matrix whose inputs have one of 1

Array = NDArray[np.generic]


def is_made(model: str) -> bool:
    return model.startswith(PREFIX)


def weights_of(model: str, data_dir: Path) -> str:
    """What an engine takes for the model: itself, or where `made:large-v3-turbo` lies once it is made. Raises
    ModelNotFound."""
    if not is_made(model):
        return model
    name = model.removeprefix(PREFIX)
    if name not in SHAPES:
        raise ModelNotFound(f"No model can be made in the shape of '{name}'. Known: {', '.join(SHAPES)}.")
    target = data_dir / "models" / f"made-{name}"
    if not (target / "model.bin").is_file():
        make(SHAPES[name], _tokenizer(data_dir), target)
    return str(target)


def make(shape: Dimensions, tokenizer: Path, target: Path) -> None:
    """tokenizer: a folder with the files of a model of many languages, but for its weights."""
    target.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES[1:]:
        shutil.copyfile(tokenizer / name, target / name)
    config = json.loads((tokenizer / "config.json").read_text(encoding="utf-8"))
    config["alignment_heads"] = [[shape.n_text_layer - 1, head] for head in range(min(6, shape.n_text_head))]
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    features = json.dumps({"feature_size": shape.n_mels})
    (target / "preprocessor_config.json").write_text(features, encoding="utf-8")
    aside = target / f"model.bin.{os.getpid()}.part"
    with open(aside, "wb") as file:
        _write(file, shape, _said(target / "tokenizer.json"))
    os.replace(aside, target / "model.bin")  # last, so that a directory with it is complete


def _tokenizer(data_dir: Path) -> Path:
    carried = data_dir / "models" / TOKENIZER
    found = carried if carried.is_dir() else weights_on_this_machine("base", data_dir)
    if found is None or not (found / "vocabulary.txt").is_file():
        raise ModelNotFound("The tokenizer of the model base is not on this machine, nor what it carries.")
    return found


def _said(tokenizer: Path) -> list[int]:
    """What is said at each position."""
    from tokenizers import Tokenizer

    words = Tokenizer.from_file(str(tokenizer))
    return [int(each) for each in words.encode("".join(START) + SAYS, add_special_tokens=False).ids]


def _write(file: BinaryIO, shape: Dimensions, said: list[int]) -> None:
    """As engines/weights/ctranslate2_file.py reads it, a matrix at a time: not all of it in memory."""
    count = sum(1 for _ in _variables(shape, said, None))
    file.write(struct.pack("<I", 6) + _string("WhisperSpec") + struct.pack("<II", 3, count))
    for name, array in _variables(shape, said, np.random.default_rng(0)):
        kind = {"float16": 4, "int16": 2, "int8": 1}[array.dtype.name]
        file.write(_string(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape))
        file.write(struct.pack("<BI", kind, array.nbytes) + array.tobytes())
    file.write(struct.pack("<I", 1) + _string("decoder/projection/weight") + _string("decoder/embeddings/weight"))


def _string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def _variables(shape: Dimensions, said: list[int], drawn: np.random.Generator | None) -> Iterator[tuple[str, Array]]:
    """drawn: None to count them."""
    for name, size in _matrices(shape):
        yield f"{name}/weight", _normal(size, _LAYERS / np.sqrt(np.prod(size[1:])), drawn)
        yield f"{name}/bias", np.zeros(size[0], np.float16)
    for name, width in _norms(shape):
        yield f"{name}/gamma", np.ones(width, np.float16)
        yield f"{name}/beta", np.zeros(width, np.float16)
    yield "encoder/position_encodings/encodings", _normal((shape.n_audio_ctx, shape.n_audio_state), 0.1, drawn)
    words = _normal((shape.n_vocab, shape.n_text_state), 1 / np.sqrt(shape.n_text_state), drawn)  # each as long as 1
    yield "decoder/embeddings/weight", words
    following = said + [END] * (shape.n_text_ctx - len(said))
    yield "decoder/position_encodings/encodings", (_OWN * words[following]).astype(np.float16)
    yield "encoder/num_heads", np.array(shape.n_audio_head, np.int16)
    for name, number in (("num_heads", shape.n_text_head), ("alignment_heads", 1), ("alignment_layer", -1)):
        yield f"decoder/{name}", np.array(number, np.int16)
    for name, number in (("activation", _GELU), ("pre_norm", 1)):
        yield f"decoder/{name}", np.array(number, np.int8)
    for name in ("alibi", "scale_embeddings", "start_from_zero_embedding"):
        yield f"decoder/{name}", np.array(0, np.int8)


def _normal(size: tuple[int, ...], deviation: float, drawn: np.random.Generator | None) -> NDArray[np.float16]:
    if drawn is None:
        return np.broadcast_to(np.float16(0), size)
    return (drawn.standard_normal(size, np.float32) * np.float32(deviation)).astype(np.float16)


def _matrices(shape: Dimensions) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and sizes, outputs first."""
    width = shape.n_audio_state
    yield "encoder/conv1", (width, shape.n_mels, 3)
    yield "encoder/conv2", (width, width, 3)
    for layer, width in _layers(shape):
        yield f"{layer}/self_attention/linear_0", (3 * width, width)
        yield f"{layer}/self_attention/linear_1", (width, width)
        if layer.startswith("decoder"):
            yield f"{layer}/attention/linear_0", (width, width)
            yield f"{layer}/attention/linear_1", (2 * width, width)
            yield f"{layer}/attention/linear_2", (width, width)
        yield f"{layer}/ffn/linear_0", (4 * width, width)
        yield f"{layer}/ffn/linear_1", (width, 4 * width)


def _norms(shape: Dimensions) -> Iterator[tuple[str, int]]:
    yield "encoder/layer_norm", shape.n_audio_state
    yield "decoder/layer_norm", shape.n_text_state
    for layer, width in _layers(shape):
        yield f"{layer}/self_attention/layer_norm", width
        yield f"{layer}/ffn/layer_norm", width
        if layer.startswith("decoder"):
            yield f"{layer}/attention/layer_norm", width


def _layers(shape: Dimensions) -> Iterator[tuple[str, int]]:
    for number in range(shape.n_audio_layer):
        yield f"encoder/layer_{number}", shape.n_audio_state
    for number in range(shape.n_text_layer):
        yield f"decoder/layer_{number}", shape.n_text_state
