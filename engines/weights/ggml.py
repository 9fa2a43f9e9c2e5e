"""Whether a file holds a whole Whisper model in ggml's format: whisper.cpp takes a damaged one without a word, and
dies at the first pass."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engines.errors import ModelNotFound

_MAGIC = 0x67676D6C
_BLOCKS = {  # ggml's number formats: values in a block, and its bytes
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 30: (1, 2),
}  # fmt: skip
_MOST = 1 << 20  # of layers, tokens, letters: more is no model


@dataclass(frozen=True, slots=True)
class GgmlHeader:
    """A model's shape."""

    n_vocab: int
    n_audio_state: int
    n_audio_layer: int
    n_text_layer: int
    n_mels: int

    @property
    def arrays(self) -> int:
        """How many arrays such a model has."""
        return 7 + 15 * self.n_audio_layer + 4 + 24 * self.n_text_layer


def read_ggml(path: Path) -> GgmlHeader:
    """The header of a file that is whole. Raises ModelNotFound, saying what is wrong with it."""
    try:
        with open(path, "rb") as file:
            return _read(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise ModelNotFound(f"The model file '{path}' cannot be read: {error.strerror}.") from error
    except (ValueError, struct.error) as error:
        reason = str(error) if isinstance(error, ValueError) else "it ends too early"
        raise ModelNotFound(
            f"The file '{path}' is no whole ggml model: {reason}. If it was downloaded, delete it and fetch it again; "
            "weights for other engines (model.bin of CTranslate2, .pt, .safetensors) cannot be used by whisper-cpp."
        ) from error


def _read(file: BinaryIO, size: int) -> GgmlHeader:
    if size < 4 or _number(file) != _MAGIC:
        raise ValueError("it does not begin like one")
    shape = [_number(file) for _ in range(11)]
    n_vocab, _, audio_state, _, audio_layer, _, _, _, text_layer, n_mels, _ = shape
    if not all(0 < number < _MOST for number in shape[:10]):
        raise ValueError("its header makes no sense")
    header = GgmlHeader(n_vocab, audio_state, audio_layer, text_layer, n_mels)
    _skip(file, _number(file) * _number(file) * 4, size)  # mel filters
    for _ in range(_number(file)):  # the vocabulary
        _skip(file, _number(file), size)
    found = 0
    while file.tell() < size:
        _skip_array(file, size)
        found += 1
    if found != header.arrays:
        raise ValueError(f"it has {found} of {header.arrays} arrays")
    return header


def _skip_array(file: BinaryIO, size: int) -> None:
    dimensions, name, kind = _number(file), _number(file), _number(file)
    if not 1 <= dimensions <= 4 or kind not in _BLOCKS:
        raise ValueError("one of its arrays makes no sense")
    values = 1
    for _ in range(dimensions):
        values *= _number(file)
    in_block, bytes_of_block = _BLOCKS[kind]
    _skip(file, name + values // in_block * bytes_of_block, size)


def _skip(file: BinaryIO, count: int, size: int) -> None:
    if count < 0 or file.tell() + count > size:
        raise ValueError("it ends too early")
    file.seek(count, os.SEEK_CUR)


def _number(file: BinaryIO) -> int:
    (value,) = struct.unpack("<i", file.read(4))
    return int(value)
