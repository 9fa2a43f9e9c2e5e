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

    processes: gives the tree as it stands. Memory is the proportional set size if the system tells it, so pages that
    processes share count once; else the resident set size.
    """

    def __init__(self, processes: Callable[[], list[psutil.Process]]) -> None:
        self._processes = processes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0.0
        self.peaks: dict[str, float] = {}  # MB, of each program by itself
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
            now: dict[str, float] = {}
            for process in self._processes():
                name = _name(process)
                now[name] = now.get(name, 0.0) + _memory(process)
            self.peak = max(self.peak, sum(now.values()))
            self.peaks = {name: max(now.get(name, 0.0), self.peaks.get(name, 0.0)) for name in now | self.peaks}
            if self._ended.wait(INTERVAL):
                return

    def _cpu_seconds(self) -> float:
        total = 0.0
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total


def _name(process: psutil.Process) -> str:
    """`worker` of `python -m worker`, or the program's own name."""
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()
        return words[words.index("-m") + 1] if "-m" in words[:-1] else process.name()
    return ""


def _memory(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        memory = process.memory_full_info()
        return float(getattr(memory, "pss", 0) or memory.rss) / _MB
    return 0.0
