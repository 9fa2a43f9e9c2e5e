"""Python, the platform, its GPU, and the disk."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from engines.devices.nvidia import Driver
from scripts.doctor.finding import Finding, failure, ok, warning
from scripts.setup_environment import NEWEST, OLDEST, VERSIONS, is_checkout, is_current
from worker.models.remedies import INSTALL_CUBLAS

NVIDIA_PLATFORMS = ("linux", "win32")
COMFORT = 4  # times the least free disk; less is worth a warning


def python(version: tuple[int, int] = sys.version_info[:2], prefix: str = sys.prefix) -> Finding:
    number = platform.python_version()
    if not OLDEST <= version <= NEWEST:
        remedy = "make clean, then make whisper-native" if is_checkout() else "Install it with one of these"
        return failure("python", f"{number}: the service needs {VERSIONS}. {remedy}.")
    if is_checkout() and not is_current(dev=False):
        return warning("python", f"{number} in {prefix}, which is not what requirements.txt pins: make whisper-native.")
    return ok("python", f"{number} in {prefix}")


def system(name: str = sys.platform, machine: str | None = None) -> Finding:
    machine = (machine or platform.machine()).lower()
    detail = f"{platform.system()} {machine}, {os.cpu_count()} cores{_memory()}"
    if name == "win32" and machine not in ("amd64", "x86_64"):
        return failure("platform", f"{detail}: CTranslate2 has no package for it. Use Python for x86-64.")
    if name == "win32" or (name == "darwin" and machine == "x86_64"):
        return warning("platform", f"{detail}: never run there yet; it needs a Redis of yours (WHISPER_REDIS_URL).")
    return ok("platform", detail)


def gpu(devices: Sequence[str], driver: Driver | None, *, has_cublas: bool, name: str = sys.platform) -> list[Finding]:
    """devices: as set. has_cublas: whether cuBLAS 12 could be loaded; asked only if there is a usable driver."""
    device = ",".join(devices).lower().replace(" ", "")
    is_wanted = "cuda" in device
    report = failure if is_wanted else warning
    otherwise = " Or set WHISPER_DEVICE=cpu." if is_wanted else " Until then the CPU decodes."
    if driver is None:
        if is_wanted and name not in NVIDIA_PLATFORMS:
            return [
                failure("gpu", f"The device {device} is set, but this platform has no CUDA. Set WHISPER_DEVICE=auto.")
            ]
        if is_wanted:
            return [failure("gpu", f"No NVIDIA driver was found. Install it.{otherwise}")]
        return [ok("gpu", "no NVIDIA driver: the CPU decodes")]
    version = f"driver for CUDA {driver.cuda[0]}.{driver.cuda[1]}"
    if device == "cpu":
        return [ok("gpu", f"{version}, not used: WHISPER_DEVICE=cpu")]
    if driver.problem:
        return [report("gpu", f"{driver.problem}{otherwise}")]
    if missing := [each for each in device.split(",") if _number(each) >= len(driver.gpus)]:
        return [failure("gpu", f"There is no {missing[0]}: the driver shows {len(driver.gpus)} (cuda:0 is the first).")]
    found = [ok("gpu", f"{index}: {each} ({version})") for index, each in enumerate(driver.gpus)]
    if not has_cublas:
        return [*found, report("cublas", f"cuBLAS 12 was not found. Install it: {INSTALL_CUBLAS}.{otherwise}")]
    return [*found, ok("cublas", "cuBLAS 12 can be loaded; cuDNN is not needed")]


def _number(device: str) -> int:
    number = device.partition("cuda:")[2]
    return int(number) if number.isdecimal() else 0


def disk(directory: Path, least: int) -> Finding:
    """least: bytes under which uploads are refused."""
    free = shutil.disk_usage(directory).free
    room = f"{free / 2**30:.1f} GB free for {directory}"
    if free < least:
        return failure("disk", f"{room}: uploads are refused (WHISPER_MIN_FREE_DISK_MB). Delete old jobs or make room.")
    if free < COMFORT * least:
        return warning("disk", f"{room}: that is little for long recordings.")
    return ok("disk", room)


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return ""
    return f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB memory"
