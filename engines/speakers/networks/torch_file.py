"""Reads the tensors of a PyTorch checkpoint (`.pt`, `.bin`: a zip with a pickle in it) without PyTorch.

The pickle may make tensors and plain containers. Every other class that it names becomes an empty one: nothing of it is
imported, and nothing is run.
"""

from __future__ import annotations

import collections
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.errors import ModelNotFound

Tensors = dict[str, NDArray[Any]]

_TYPES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


def read_tensors(path: Path) -> Tensors:
    """The checkpoint's state dictionary: its own, or the one it has under `state_dict`. Raises ModelNotFound for a file
    that is damaged or has no tensors."""
    try:
        with zipfile.ZipFile(path) as archive:
            content = _Unpickler(archive).load()
    except (OSError, ValueError, KeyError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ModelNotFound(f"'{path}' cannot be read as a checkpoint: {error}") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    tensors = {name: each for name, each in content.items() if isinstance(each, np.ndarray)}
    if not tensors:
        raise ModelNotFound(f"'{path}' has no weights in it.")
    return tensors


class _Empty:
    """Stands for any class of which nothing is needed."""

    def __init__(self, *_arguments: Any) -> None: ...

    def __setstate__(self, _state: Any) -> None: ...


class _Unpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        (name,) = (each for each in archive.namelist() if each.endswith("data.pkl"))
        super().__init__(archive.open(name))
        self._archive = archive
        self._folder = name.removesuffix("data.pkl")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return _tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return _parameter
        return name if module == "torch" and name in _TYPES else _Empty

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        """pid: ("storage", type, key, device, count)."""
        kind, key = pid[1], pid[2]
        if not isinstance(kind, str):
            raise pickle.UnpicklingError("it has numbers of a kind that is not read here")
        return np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), _TYPES[kind])


def _tensor(
    storage: NDArray[Any], offset: int, size: Sequence[int], stride: Sequence[int], *_rest: Any
) -> NDArray[Any]:
    strides = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], tuple(size), strides).copy()


def _parameter(tensor: NDArray[Any], *_rest: Any) -> NDArray[Any]:
    return tensor
