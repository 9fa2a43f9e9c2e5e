"""cuBLAS for CTranslate2, which opens it by name at the first pass and knows no folder of NVIDIA's wheels. Loaded here
first, by its full path, it is found by that name: nobody has to set LD_LIBRARY_PATH before the service starts."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

# In the order they need each other: the wheel's files, and the name CTranslate2 opens.
LINUX = ("lib/libcublasLt.so.12", "lib/libcublas.so.12")
WINDOWS = ("bin/cublasLt64_12.dll", "bin/cublas64_12.dll")

Open = Callable[[str], object]


@cache
def load_cublas() -> bool:
    """Loads cuBLAS 12 from the package nvidia-cublas-cu12 or from the system; False if there is none."""
    return load(wheel_folders(), sys.platform, _open)


def load(folders: list[Path], platform: str, open_library: Open) -> bool:
    """folders: those called `nvidia` in which NVIDIA's wheels lie. platform: as in `sys.platform`."""
    files = WINDOWS if platform == "win32" else LINUX
    for folder in folders:
        found = [path for name in files if (path := folder / "cublas" / name).is_file()]
        if len(found) == len(files) and _load_all(found, open_library):
            break
    try:
        open_library(Path(files[-1]).name)
    except OSError:
        return False
    return True


def wheel_folders() -> list[Path]:
    spec = importlib.util.find_spec("nvidia")  # a namespace package: several folders may share the name
    return [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []


def _load_all(paths: list[Path], open_library: Open) -> bool:
    try:
        for path in paths:
            open_library(str(path))
    except OSError:  # of another architecture, or damaged: the system's own may do
        return False
    return True


def _open(name: str) -> object:
    folder = os.path.dirname(name)
    if sys.platform == "win32" and folder:
        os.add_dll_directory(folder)  # where what it needs itself is looked for
    return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
