"""Where CTranslate2 computes and in which numbers, and what it means by its errors about that."""

from __future__ import annotations

import ctranslate2

from engines.devices.cublas import load_cublas
from engines.devices.nvidia import find_driver
from engines.errors import EngineError, EngineUnavailable, OutOfMemory

# What CTranslate2, cuBLAS and CUDA say -> what that means, and the error's reason. The first that fits counts.
_MEANINGS = {
    ("libcublas", "cublas64", "cublas_status_not_initialized"): ("cuBLAS 12 could not be used", "no_cublas"),
    ("driver version is insufficient",): ("The NVIDIA driver is too old for CUDA 12", "old_driver"),
    ("no kernel image", "arch_mismatch", "not supported by the target device"): (
        "The GPU is too old for this build of CTranslate2, or for the number format",
        "old_gpu",
    ),
    ("cuda", "cublas"): ("The GPU failed", "gpu_failed"),
}


def choose_device(device: str) -> tuple[str, int]:
    """`cuda:1` → ("cuda", 1). Raises EngineUnavailable for what CTranslate2 has no code for, or finds no such GPU."""
    name, _, index = device.strip().lower().partition(":")
    if name == "auto":
        name = "cuda" if ctranslate2.get_cuda_device_count() and load_cublas() else "cpu"
    if name not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise EngineUnavailable(
            f"faster-whisper cannot run on the device '{device}'. It knows auto, cpu, cuda and cuda:1 (a number).",
            reason="not_a_device_of_ctranslate2",
        )
    if name == "cuda":
        _check_gpu(int(index or 0))
    return name, int(index or 0) if name == "cuda" else 0


def _check_gpu(index: int) -> None:
    count = ctranslate2.get_cuda_device_count()
    if not count:
        raise _no_gpu()
    if index >= count:
        raise EngineUnavailable(f"There is no cuda:{index}: {count} GPUs were found, and cuda:0 is the first.")
    if not load_cublas():
        raise EngineUnavailable("cuBLAS 12 was not found.", reason="no_cublas")


def _no_gpu() -> EngineUnavailable:
    driver = find_driver()
    if driver is None:
        return EngineUnavailable("No usable NVIDIA GPU was found: there is no driver.", reason="no_driver")
    if driver.problem is None:
        return EngineUnavailable("No usable NVIDIA GPU was found.", reason="broken_driver")
    return EngineUnavailable(f"No usable NVIDIA GPU was found. {driver.problem}", reason="no_gpu")


def choose_compute_type(device: str, index: int, compute_type: str) -> str:
    """What was asked for, or the fastest the device can do."""
    supported = ctranslate2.get_supported_compute_types(device, index)
    if compute_type == "auto":
        preferred = ("int8",) if device == "cpu" else ("float16", "int8_float16", "int8_float32", "int8")
        return next((name for name in preferred if name in supported), "default")
    if compute_type not in supported and compute_type != "default":
        raise EngineUnavailable(
            f"The device '{device}' cannot compute in '{compute_type}'. It can: {', '.join(sorted(supported))}."
        )
    return compute_type


def device_error(error: Exception, device: str) -> EngineError | None:
    """What the error means, if it is about the device; CTranslate2 has no kinds of errors for that."""
    text = str(error).lower()
    if "out of memory" in text or "alloc_failed" in text:
        return OutOfMemory()
    if device == "cpu":
        return None
    for signs, (meaning, reason) in _MEANINGS.items():
        if any(sign in text for sign in signs):
            return EngineUnavailable(f"{meaning} ({str(error).splitlines()[0]}).", reason=reason)
    return None
