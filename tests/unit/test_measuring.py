"""The measurement's own instruments."""

from __future__ import annotations

import os
import time

import numpy as np

from scripts.measuring.memory import MemoryWatch
from scripts.measuring.report import Figure, markdown
from scripts.measuring.service import service_processes


def test_the_memory_watch_sees_what_is_held_for_a_while() -> None:
    with MemoryWatch({"me": os.getpid()}) as small:
        pass
    before = small.peaks["me"].rss
    with MemoryWatch({"me": os.getpid()}) as watch:
        held = np.ones(100 * 1024 * 1024, np.uint8)
        deadline = time.monotonic() + 10
        while watch.peaks["me"].rss < before + 90 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert held.size
    assert 90 < watch.peaks["me"].rss - before < 150


def test_processes_given_by_hand_are_taken() -> None:
    own = os.getpid()
    assert service_processes("http://127.0.0.1:1", api_pid=own, worker_pid=own) == {"api": own, "worker": own}


def test_the_table_says_what_is_met_and_what_is_not() -> None:
    figures = [
        Figure("speed", "9 x"),
        Figure("ratio", "0.8", "at most 1", True),
        Figure("starts", "80 %", "90 %", False),
    ]
    lines = markdown("Measured", ["2 cores"], figures).splitlines()
    assert lines[-3:] == [
        "| speed | 9 x |  |  |",
        "| ratio | 0.8 | at most 1 | met |",
        "| starts | 80 % | 90 % | **not met** |",
    ]
    assert "- 2 cores" in lines
