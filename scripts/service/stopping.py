"""Ends a running service in good order if it takes the request, by force if it does not."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from redis.exceptions import RedisError

from api.operations.present_workers import present_workers
from scripts.service.config import ServiceConfig
from scripts.service.pid_file import PidFile, Running
from worker.drain import DrainRequest
from worker.runtime.connection import connect_briefly

LOOK_EVERY = 1.0  # seconds


def stop_running(running: Running, service: ServiceConfig, patience: float | None = None) -> str | None:
    """How it ended, in words, or None if it did not. patience: seconds it may take, else what Timing says."""
    pid_file = PidFile(service.pid_file)
    if not pid_file.is_held():  # it has stopped by itself, and its number may be another's by now
        return "stopped"
    ask_to_stop(running, service)
    if wait_until_gone(pid_file, service.worker.timing.stop if patience is None else patience):
        return "stopped"
    with contextlib.suppress(ProcessLookupError):  # it has ended this moment
        os.kill(running.pid, getattr(signal, "SIGKILL", signal.SIGTERM))  # on Windows SIGTERM ends it just as hard
    return "killed, since it did not stop by itself" if wait_until_gone(pid_file, 10.0) else None


def drain_running(running: Running, service: ServiceConfig, patience: float) -> str | None:
    """As `stop_running`, once what runs has ended. patience: seconds that may take; what is left goes on with the next
    start. Interrupted, it leaves the service draining."""
    if "worker" not in service.roles:  # it has no jobs in hand
        return stop_running(running, service)
    DrainRequest(service.drain_file).ask(patience)
    pid_file, deadline, told = PidFile(service.pid_file), time.monotonic() + patience, -1
    while time.monotonic() < deadline and pid_file.is_held():
        jobs = _jobs_in_hand(running)
        if jobs is not None and jobs != told:
            told = jobs
            print(f"  {jobs} jobs in hand ...", flush=True)
        if wait_until_gone(pid_file, LOOK_EVERY):
            return "stopped"
    return "stopped" if wait_until_gone(pid_file, service.worker.timing.stop) else stop_running(running, service)


def _jobs_in_hand(running: Running) -> int | None:
    try:
        with connect_briefly(running.redis_url) as redis:
            return sum(worker.vitals.jobs for worker in present_workers(redis))
    except RedisError:
        return None


def ask_to_stop(running: Running, service: ServiceConfig) -> None:
    if _has_signals():
        with contextlib.suppress(ProcessLookupError):
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
