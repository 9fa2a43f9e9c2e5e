"""How much memory processes have at most while something runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import psutil

INTERVAL = 0.2  # seconds between two looks
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Peak:
    """In MB. pss: the resident memory with shared pages counted in part; 0 where the system does not tell."""

    rss: float = 0.0
    pss: float = 0.0


class MemoryWatch:
    """`with MemoryWatch({"worker": pid}) as watch: ...`, then `watch.peaks["worker"]`."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items()}
        self.peaks = dict.fromkeys(processes, Peak())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        self._look()
        while not self._ended.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        for name, process in self._processes.items():
            try:
                memory = process.memory_full_info()
            except psutil.NoSuchProcess:
                continue
            before = self.peaks[name]
            pss = getattr(memory, "pss", 0)
            self.peaks[name] = Peak(max(before.rss, memory.rss / _MB), max(before.pss, pss / _MB))
