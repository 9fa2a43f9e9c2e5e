"""cuBLAS for CTranslate2, which opens it by name at the first pass and knows no folder of NVIDIA's wheels."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from functools import cache
from pathlib import Path

INSTALL = "uv pip install --python .venv nvidia-cublas-cu12 (or .venv/bin/python -m pip install nvidia-cublas-cu12)"


@cache
def load_cublas() -> bool:
    """Loads cuBLAS 12 from the package nvidia-cublas-cu12 or from the system; False where there is none."""
    try:
        for library in _from_wheel():
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL("cublas64_12.dll" if sys.platform == "win32" else "libcublas.so.12")
    except OSError:
        return False
    return True


def _from_wheel() -> list[Path]:
    spec = importlib.util.find_spec("nvidia")  # a namespace package: several folders may share the name
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    names = ("lib/libcublasLt.so.12", "lib/libcublas.so.12", "bin/cublasLt64_12.dll", "bin/cublas64_12.dll")
    return [path for root in roots for name in names if (path := root / "cublas" / name).is_file()]
