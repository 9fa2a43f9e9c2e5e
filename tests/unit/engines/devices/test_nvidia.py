"""The driver is asked what it is; cuBLAS is loaded from NVIDIA's wheel, and each thing that may be missing is told."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from engines.devices import cublas
from engines.devices.nvidia import Driver, Gpu, find_driver

RTX = Gpu("NVIDIA GeForce RTX 3070 Ti", 8 * 2**30, (8, 6))


class CudaLibrary:
    """`libcuda.so.1` as it answers on a machine with these GPUs."""

    def __init__(self, version: int, *gpus: Gpu, starts_with: int = 0) -> None:
        self._version, self._gpus, self._error = version, gpus, starts_with

    def cuDriverGetVersion(self, number: Any) -> int:  # noqa: N802 - NVIDIA's name, like those below
        number.contents.value = self._version
        return 0

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self._error

    def cuDeviceGetCount(self, number: Any) -> int:  # noqa: N802
        number.contents.value = len(self._gpus)
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: ctypes.c_int) -> int:  # noqa: N802
        name.value = self._gpus[device.value].name.encode()[: size - 1]
        return 0

    def cuDeviceTotalMem_v2(self, memory: Any, device: ctypes.c_int) -> int:  # noqa: N802
        memory.contents.value = self._gpus[device.value].memory
        return 0

    def cuDeviceGetAttribute(self, value: Any, which: int, device: ctypes.c_int) -> int:  # noqa: N802
        value.contents.value = self._gpus[device.value].capability[which - 75]
        return 0


def no_library(name: str) -> Any:
    raise OSError(f"{name}: cannot open shared object file")


def test_the_driver_tells_its_version_and_each_gpu() -> None:
    old = Gpu("Tesla K80", 12 * 2**30, (3, 7))
    driver = find_driver(lambda name: CudaLibrary(12080, RTX, old))
    assert driver == Driver((12, 8), (RTX, old))
    assert driver.problem is None
    assert str(RTX) == "NVIDIA GeForce RTX 3070 Ti, 8 GB, compute capability 8.6"


def test_without_a_driver_there_is_none() -> None:
    assert find_driver(no_library) is None


@pytest.mark.parametrize(
    ("library", "says"),
    [
        (CudaLibrary(11040, RTX), "too old: it supports CUDA 11.4"),
        (CudaLibrary(12080, starts_with=999), "does not start (CUDA error 999)"),
        (CudaLibrary(12080, starts_with=100), "shows no GPU"),
        (CudaLibrary(12080), "shows no GPU"),
    ],
)
def test_what_keeps_a_driver_from_use_is_told_apart(library: CudaLibrary, says: str) -> None:
    driver = find_driver(lambda name: library)
    assert driver is not None
    assert says in str(driver.problem)


class Loader:
    """Opens what it knows, and remembers what it was asked for."""

    def __init__(self, *known: str) -> None:
        self._known = known
        self.asked: list[str] = []

    def __call__(self, name: str) -> object:
        self.asked.append(name)
        if Path(name).name not in self._known:
            raise OSError(name)
        return object()


def wheel(folder: Path, files: tuple[str, ...]) -> Path:
    for name in files:
        path = folder / "cublas" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("platform", "files", "names"),
    [
        ("linux", cublas.LINUX, ["libcublasLt.so.12", "libcublas.so.12"]),
        ("win32", cublas.WINDOWS, ["cublasLt64_12.dll", "cublas64_12.dll"]),
    ],
)
def test_the_wheels_files_are_loaded_by_path_in_order_and_then_found_by_name(
    tmp_path: Path, platform: str, files: tuple[str, ...], names: list[str]
) -> None:
    loader = Loader(*names)
    assert cublas.load([wheel(tmp_path / "nvidia", files)], platform, loader)
    folder = (tmp_path / "nvidia" / "cublas" / files[0]).parent
    assert loader.asked == [str(folder / names[0]), str(folder / names[1]), names[1]]


def test_without_the_wheel_the_systems_own_does() -> None:
    loader = Loader("libcublas.so.12")
    assert cublas.load([], "linux", loader)
    assert loader.asked == ["libcublas.so.12"]


def test_a_wheel_that_cannot_be_loaded_leaves_it_to_the_system(tmp_path: Path) -> None:
    """As one for another processor would."""
    folder = wheel(tmp_path / "nvidia", cublas.LINUX)
    assert not cublas.load([folder], "linux", Loader())
    assert not cublas.load([folder], "linux", Loader("libcublasLt.so.12"))


def test_half_a_wheel_is_none(tmp_path: Path) -> None:
    folder = wheel(tmp_path / "nvidia", cublas.LINUX[:1])
    loader = Loader("libcublasLt.so.12")
    assert not cublas.load([folder], "linux", loader)
    assert loader.asked == ["libcublas.so.12"]
