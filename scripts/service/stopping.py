"""Ends a running service in good order if it takes the request, by force if it does not."""

from __future__ import annotations

import os
import signal
import time

from scripts.service.config import ServiceConfig
from scripts.service.pid_file import PidFile, Running


def stop_running(running: Running, service: ServiceConfig, patience: float | None = None) -> str | None:
    """How it ended, in words, or None if it did not. patience: seconds it may take, else what Timing says."""
    pid_file = PidFile(service.pid_file)
    ask_to_stop(running, service)
    if wait_until_gone(pid_file, service.worker.timing.stop if patience is None else patience):
        return "stopped"
    os.kill(running.pid, getattr(signal, "SIGKILL", signal.SIGTERM))  # on Windows SIGTERM ends it just as hard
    return "killed, since it did not stop by itself" if wait_until_gone(pid_file, 10.0) else None


def ask_to_stop(running: Running, service: ServiceConfig) -> None:
    if _has_signals():
        os.kill(running.pid, signal.SIGTERM)
    else:
        service.stop_file.touch()


def _has_signals() -> bool:
    return os.name != "nt"  # there, os.kill ends a process without a word


def wait_until_gone(pid_file: PidFile, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while pid_file.is_held():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
