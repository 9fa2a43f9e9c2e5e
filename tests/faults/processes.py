"""The service's processes, to be killed: found by what they run."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil

from tests.acceptance.live import LiveService


def process(service: LiveService, module: str) -> psutil.Process:
    """The child that runs `python -m <module>`."""
    children = psutil.Process(service._process.pid).children(recursive=True)
    return next(child for child in children if child.cmdline()[1:3] == ["-m", module])


def kill(victim: psutil.Process) -> None:
    os.kill(victim.pid, signal.SIGKILL)


def lose_power(service: LiveService) -> None:
    """Everything at once, as when the machine goes down: nobody sees anybody die."""
    supervisor = psutil.Process(service.pid)
    processes = [supervisor, *supervisor.children(recursive=True)]
    supervisor.suspend()
    for process in processes:
        process.kill()
    service.kill()
    psutil.wait_procs(processes[1:], timeout=10)


def windows(path: Path) -> list[int]:
    """The numbers of the windows a checkpoint has whole lines of."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
    except FileNotFoundError:  # not there yet, or under another name by now
        return []
    return [json.loads(line)["window"][0] for line in lines if line.endswith("\n")]
