"""Real weights in every engine's format: those of tiny.en and base for CTranslate2 come in packages and are converted
once; a random model of a thousandth of the size stands in where what is said does not matter."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from filelock import FileLock

from engines.weights.conversion import write_ggml, write_mlx, write_pytorch
from engines.weights.ctranslate2_file import Array, Dimensions, WhisperWeights, read_ctranslate2

CACHE = Path(__file__).parent.parent / ".cache" / "weights"
_BLOCK = 32  # values that share a factor in ggml's q8_0


def converted(engine: str, ctranslate2: Path, name: str) -> Path:
    """The weights of a CTranslate2 directory as the engine takes them, kept in `.cache/weights` under the name."""
    if engine == "faster-whisper":
        return ctranslate2
    suffix, write = _WRITERS[engine]
    target = CACHE / f"{name}{suffix}"
    with FileLock(f"{_made_ready(target)}.lock"):  # test files run side by side
        if not target.exists():
            write(read_ctranslate2(ctranslate2), target)
    return target


def quantised(ggml: Path, target: Path) -> Path:
    """A ggml file in 16-bit floats with its matrices in q8_0: blocks of 32 bytes with one factor."""
    with open(ggml, "rb") as source, open(target, "wb") as file:
        head = list(struct.unpack("<12i", source.read(48)))
        head[-1] = 7  # mostly q8_0
        file.write(struct.pack("<12i", *head))
        n_mels, bins = struct.unpack("<2i", source.read(8))
        file.write(struct.pack("<2i", n_mels, bins) + source.read(4 * n_mels * bins))
        tokens = source.read(4)
        file.write(tokens)
        for _ in range(*struct.unpack("<i", tokens)):
            size = source.read(4)
            file.write(size + source.read(*struct.unpack("<i", size)))
        while start := source.read(12):
            rank, length, kind = struct.unpack("<3i", start)
            shape = source.read(4 * rank)
            name = source.read(length)
            count = int(np.prod(struct.unpack(f"<{rank}i", shape)))
            data = source.read(count * (4 if kind == 0 else 2))
            if kind == 1 and rank == 2:
                kind, data = 8, _q8_0(np.frombuffer(data, np.float16).astype(np.float32))
            file.write(struct.pack("<3i", rank, length, kind) + shape + name + data)
    return target


def random_model(engine: str, ctranslate2: Path) -> Path:
    """A small model with random weights as the engine takes it, with the vocabulary of a real one."""
    suffix, write = _WRITERS[engine]
    target = CACHE / f"random-2{suffix}"
    with FileLock(f"{_made_ready(target)}.lock"):
        if not target.exists():
            write(random_weights(read_ctranslate2(ctranslate2)), target)
    return target


def random_weights(like: WhisperWeights, width: int = 32, seed: int = 0) -> WhisperWeights:
    """A model of one layer a side with random weights and the vocabulary of a real one."""
    size = Dimensions(80, 1500, width, 2, 1, like.dimensions.n_vocab, 448, width, 2, 1)
    chance = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for name, array in like.arrays.items():
        if ".blocks." in name and ".blocks.0." not in name:
            continue
        shape = [_resized(length, like.dimensions.n_audio_state, width) for length in array.shape]
        arrays[name] = (np.ones(shape) if name.endswith("ln.weight") else chance.normal(0, 0.05, shape)).astype(
            np.float16
        )
    return WhisperWeights(size, arrays, ((0, 0), (0, 1)), like.vocabulary)


def _made_ready(target: Path) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    return target


def _resized(length: int, old: int, new: int) -> int:
    return length * new // old if length in (old, 4 * old) else length


def _q8_0(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    blocks = values.reshape(-1, _BLOCK)
    factors = np.abs(blocks).max(axis=1, keepdims=True) / 127
    numbers = np.round(blocks / np.where(factors == 0, 1, factors)).astype(np.int8)
    rows = np.empty(len(blocks), np.dtype([("factor", "<f2"), ("numbers", "i1", _BLOCK)]))
    rows["factor"], rows["numbers"] = factors[:, 0], numbers
    return rows.tobytes()


def _write_ggml(weights: WhisperWeights, target: Path) -> None:
    write_ggml(weights, FeatureExtractor.get_mel_filters(16_000, 400, weights.dimensions.n_mels), target)


_WRITERS: dict[str, tuple[str, Callable[[WhisperWeights, Path], None]]] = {
    "mlx-whisper": ("-mlx", write_mlx),
    "whisper-cpp": (".ggml", _write_ggml),
    "openai-whisper": (".pt", write_pytorch),
}
