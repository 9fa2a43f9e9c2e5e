"""What can be wrong with a running service for a while: each as a context in which it is."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.soak.slow_names import FLAG

MEMORY = 1024 * 1024  # bytes that a starving process may still take
FILES = 2  # that one may still open


@contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    """It hangs."""
    _unless_gone(process.suspend)
    try:
        yield
    finally:
        _unless_gone(process.resume)


@contextmanager
def short_of_memory(process: psutil.Process) -> Iterator[None]:
    """What it asks the system for is refused."""
    with _limited(process, "RLIMIT_AS", lambda: process.memory_info().vms + MEMORY):
        yield


@contextmanager
def full_of_files(process: psutil.Process) -> Iterator[None]:
    """It can open hardly any further file or connection."""
    with _limited(process, "RLIMIT_NOFILE", lambda: process.num_fds() + FILES):
        yield


@contextmanager
def names_are_slow(directory: Path) -> Iterator[None]:
    """The receivers' name takes long to resolve, see tests.soak.slow_names. directory: the service's."""
    (directory / FLAG).touch()
    try:
        yield
    finally:
        (directory / FLAG).unlink()


def tear_one_of(directory: Path, dice: random.Random) -> None:
    """A file of Redis is no longer what was written. directory: Redis's."""
    written = sorted(path for path in directory.glob("appendonlydir/*") if path.is_file() and path.stat().st_size)
    if not written:
        return
    path = dice.choice(written)
    size = path.stat().st_size
    ways = (bytes(size), dice.randbytes(size), b"", path.read_bytes()[: dice.randrange(size)])
    path.write_bytes(dice.choice(ways))


@contextmanager
def _limited(process: psutil.Process, name: str, limit: Callable[[], int]) -> Iterator[None]:
    """Only Linux sets the limits of another process; elsewhere nothing happens."""
    if sys.platform != "linux":
        yield
        return
    kind = getattr(psutil, name)
    before: list[tuple[int, int]] = []

    def take() -> None:
        soft, hard = process.rlimit(kind)
        process.rlimit(kind, (limit(), hard))
        before.append((soft, hard))

    _unless_gone(take)
    try:
        yield
    finally:
        for limits in before:
            _unless_gone(lambda limits=limits: process.rlimit(kind, limits))  # type: ignore[misc]  # its default


def _unless_gone(call: Callable[[], object]) -> None:
    with suppress(psutil.NoSuchProcess):
        call()
