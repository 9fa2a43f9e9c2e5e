"""What NVIDIA's driver says of itself and its GPUs. CTranslate2 counts zero GPUs for no driver, one too old, a broken
one and no GPU alike; who is to repair it needs to know which."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OLDEST_CUDA = (12, 0)  # CTranslate2's wheels are built with CUDA 12; a driver of any 12.x runs them
OLDEST_DRIVER = "525 on Linux, 528 on Windows"  # NVIDIA's release notes of CUDA 12
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR in cuda.h

Open = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Gpu:
    """memory: bytes. capability: what it can compute, as NVIDIA numbers it (8.6)."""

    name: str
    memory: int
    capability: tuple[int, int]

    def __str__(self) -> str:
        return (
            f"{self.name}, {self.memory / 2**30:.0f} GB, compute capability {self.capability[0]}.{self.capability[1]}"
        )


@dataclass(frozen=True, slots=True)
class Driver:
    """cuda: the newest CUDA the driver supports. error: CUDA's number for why it shows no GPUs, 0 if it does."""

    cuda: tuple[int, int]
    gpus: tuple[Gpu, ...] = ()
    error: int = 0

    @property
    def problem(self) -> str | None:
        """Why CTranslate2 cannot use it, and what to do."""
        if self.cuda < OLDEST_CUDA:
            return (
                f"The NVIDIA driver is too old: it supports CUDA {self.cuda[0]}.{self.cuda[1]}, CUDA 12 is needed. "
                f"Install a newer driver ({OLDEST_DRIVER}, or newer)."
            )
        if self.error:
            return f"The NVIDIA driver does not start (CUDA error {self.error}). Restart the machine, or reinstall it."
        if not self.gpus:
            return (
                "The NVIDIA driver shows no GPU. Check CUDA_VISIBLE_DEVICES and, in a container, that it is given one."
            )
        return None


def find_driver(open_library: Open = ctypes.CDLL) -> Driver | None:
    """The driver, or None if none is installed. open_library: opens a shared library by name."""
    try:
        cuda = open_library("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    version = _number(cuda.cuDriverGetVersion)
    error = int(cuda.cuInit(0))
    gpus = () if error else tuple(_gpu(cuda, index) for index in range(_number(cuda.cuDeviceGetCount)))
    no_device = error == 100  # CUDA_ERROR_NO_DEVICE: the driver is well, and there is nothing to drive
    return Driver((version // 1000, version % 1000 // 10), gpus, 0 if no_device else error)


def _gpu(cuda: Any, index: int) -> Gpu:
    device = ctypes.c_int(index)
    name = ctypes.create_string_buffer(256)
    cuda.cuDeviceGetName(name, len(name), device)
    memory = ctypes.c_size_t(0)
    cuda.cuDeviceTotalMem_v2(ctypes.pointer(memory), device)
    major, minor = (_attribute(cuda, which, device) for which in (_MAJOR, _MINOR))
    return Gpu(name.value.decode(errors="replace"), memory.value, (major, minor))


def _attribute(cuda: Any, which: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int(0)
    cuda.cuDeviceGetAttribute(ctypes.pointer(value), which, device)
    return value.value


def _number(ask: Callable[[Any], int]) -> int:
    value = ctypes.c_int(0)
    ask(ctypes.pointer(value))
    return value.value
