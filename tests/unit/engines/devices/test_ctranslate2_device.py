"""What a machine's GPU lacks is said with its remedy, on platforms this machine is not."""

from __future__ import annotations

import ctranslate2
import pytest

from engines.devices import ctranslate2_device
from engines.devices.ctranslate2_device import choose_compute_type, choose_device, device_error
from engines.devices.nvidia import Driver, Gpu
from engines.errors import EngineUnavailable, OutOfMemory
from worker.models.remedies import with_remedy

RTX = Driver((12, 8), (Gpu("RTX 3070 Ti", 8 * 2**30, (8, 6)),))


class Machine:
    """A machine with so many GPUs that CTranslate2 can use, with or without cuBLAS, and with this driver."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def has(self, gpus: int, *, cublas: bool = True, driver: Driver | None = RTX) -> None:
        self._patch.setattr(ctranslate2, "get_cuda_device_count", lambda: gpus)
        self._patch.setattr(ctranslate2_device, "load_cublas", lambda: cublas)
        self._patch.setattr(ctranslate2_device, "find_driver", lambda: driver)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.mark.parametrize(
    ("gpus", "cublas", "asked", "chosen"),
    [
        (0, False, "auto", ("cpu", 0)),
        (1, True, "auto", ("cuda", 0)),
        (1, False, "auto", ("cpu", 0)),
        (2, True, "cuda:1", ("cuda", 1)),
        (2, True, " CUDA ", ("cuda", 0)),
        (2, True, "cpu", ("cpu", 0)),
        (0, False, "cpu:1", ("cpu", 0)),
    ],
)
def test_the_device(machine: Machine, gpus: int, cublas: bool, asked: str, chosen: tuple[str, int]) -> None:
    machine.has(gpus, cublas=cublas)
    assert choose_device(asked) == chosen


@pytest.mark.parametrize(
    ("gpus", "cublas", "driver", "asked", "says"),
    [
        (0, True, None, "cuda", "there is no driver"),
        (0, True, Driver((11, 4), RTX.gpus), "cuda", "supports CUDA 11.4"),
        (0, True, Driver((12, 8)), "cuda", "CUDA_VISIBLE_DEVICES"),
        (0, True, RTX, "cuda", "Reinstall its driver"),
        (1, True, RTX, "cuda:1", "There is no cuda:1"),
        (1, False, RTX, "cuda", "EXTRA=cuda"),
        (1, True, RTX, "mps", "WHISPER_ENGINE=mlx-whisper"),
        (1, True, RTX, "cuda:one", "cuda:1 (a number)"),
    ],
)
def test_what_a_device_lacks_is_told_with_the_remedy(
    machine: Machine, gpus: int, cublas: bool, driver: Driver | None, asked: str, says: str
) -> None:
    machine.has(gpus, cublas=cublas, driver=driver)
    with pytest.raises(EngineUnavailable) as caught:
        choose_device(asked)
    assert says in with_remedy(caught.value)


@pytest.mark.parametrize(
    ("said", "kind", "remedy"),
    [
        ("CUDA failed with error out of memory", OutOfMemory, "smaller"),
        ("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED", OutOfMemory, "smaller"),
        ("Library libcublas.so.12 is not found or cannot be loaded", EngineUnavailable, "EXTRA=cuda"),
        ("Library cublas64_12.dll is not found or cannot be loaded", EngineUnavailable, "EXTRA=cuda"),
        (
            "CUDA failed with error CUDA driver version is insufficient for CUDA runtime version",
            EngineUnavailable,
            "newer",
        ),
        ("CUDA failed with error no kernel image is available for execution", EngineUnavailable, "too old"),
        ("cuBLAS failed with status CUBLAS_STATUS_ARCH_MISMATCH", EngineUnavailable, "WHISPER_COMPUTE_TYPE=float32"),
        ("CUDA failed with error an illegal memory access was encountered", EngineUnavailable, "restart"),
    ],
)
def test_errors_of_the_gpu_name_the_remedy(said: str, kind: type[Exception], remedy: str) -> None:
    found = device_error(RuntimeError(said), "cuda")
    assert found is not None
    assert type(found) is kind
    assert remedy in with_remedy(found)


def test_other_errors_are_not_the_devices() -> None:
    assert device_error(RuntimeError("Unsupported model binary version"), "cuda") is None
    assert device_error(RuntimeError("an error with cuda in its text"), "cpu") is None
    assert isinstance(device_error(RuntimeError("mkl_malloc: out of memory"), "cpu"), OutOfMemory)


def test_a_number_format_the_device_lacks_is_refused_with_those_it_has() -> None:
    assert choose_compute_type("cpu", 0, "auto") == "int8"
    with pytest.raises(EngineUnavailable, match=r"cannot compute in 'int4'\. It can: .*float32"):
        choose_compute_type("cpu", 0, "int4")
