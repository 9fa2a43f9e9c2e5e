"""How much memory a tree of processes has at most while something runs, and how much processor time it takes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Self

import psutil

INTERVAL = 0.5  # seconds between two looks
_MB = 1024 * 1024


class Watch:
    """`with Watch(processes) as watch: ...`, then `watch.peak` (MB, all processes together) and `watch.cores`.

    processes: gives the tree as it stands. Memory is the proportional set size where the system tells it, so pages that
    processes share count once; else the resident set size.
    """

    def __init__(self, processes: Callable[[], list[psutil.Process]]) -> None:
        self._processes = processes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0.0
        self.cores = 0.0  # cores busy on average

    def __enter__(self) -> Self:
        self._began, self._cpu = time.perf_counter(), self._cpu_seconds()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        self.cores = (self._cpu_seconds() - self._cpu) / (time.perf_counter() - self._began)

    def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, sum(map(_memory, self._processes())))
            if self._ended.wait(INTERVAL):
                return

    def _cpu_seconds(self) -> float:
        total = 0.0
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total


def _memory(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        memory = process.memory_full_info()
        return float(getattr(memory, "pss", 0) or memory.rss) / _MB
    return 0.0
