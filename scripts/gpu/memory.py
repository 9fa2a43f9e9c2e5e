"""How much of a GPU's memory is in use, and what becomes of passes if there is none left."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

PIECE = 256 * 2**20  # bytes taken at once


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def used_and_free(device: str) -> tuple[int, int] | None:
    """Bytes on the GPU, whoever uses them, as the driver's own library says (NVML). None for a CPU, and without it."""
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return None
    try:
        library: Any = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
    except OSError:
        return None
    handle, memory = ctypes.c_void_p(), _Memory()
    library.nvmlInit_v2()
    failed = library.nvmlDeviceGetHandleByIndex_v2(int(index or 0), ctypes.byref(handle))
    failed = failed or library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
    return None if failed else (memory.used, memory.free)


@contextmanager
def taken(device: str, but: int) -> Iterator[None]:
    """Takes the GPU's memory but for so many bytes, and gives it back."""
    import ctranslate2

    index = int(device.partition(":")[2] or 0)
    held, piece = [], np.zeros(PIECE // 4, np.float32)
    try:
        while (known := used_and_free(device)) and known[1] > but + PIECE:
            view = ctranslate2.StorageView.from_array(piece)
            held.append(view.to_device(ctranslate2.Device.cuda, index))
        yield
    finally:
        held.clear()
