"""Kills processes of a running service and puts them to sleep, as the plan says."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable

import psutil

from tests.acceptance.live import LiveService
from tests.soak.plan import Fault

TIMEOUT = 10.0  # seconds for a process that is just being started again


def process_of(service: LiveService, name: str) -> psutil.Process | None:
    """A child of the service by its name: worker, api, redis …"""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(service.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                if _name(process.cmdline(), process.name()) == name:
                    return process
    return None


def _name(command: list[str], program: str) -> str:
    if command[1:2] == ["-m"]:
        return command[2].rpartition(".")[2]
    return "redis" if program.startswith(("redis", "valkey")) else program


class Breaking:
    """Runs the faults in a thread of its own. `done` counts what was really hit."""

    def __init__(self, service: LiveService, faults: Iterable[Fault], began: float) -> None:
        self.done: Counter[str] = Counter()
        self.errors: list[str] = []
        self._service = service
        self._faults = faults
        self._began = began
        self._sleepers: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, name="breaking")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Returns once all faults are over and every process is awake."""
        self._thread.join()
        for sleeper in self._sleepers:
            sleeper.join()

    def _run(self) -> None:
        try:
            for fault in self._faults:
                time.sleep(max(0.0, self._began + fault.at - time.monotonic()))
                self._break(fault)
        except Exception as error:  # or the run would go on undisturbed and pass
            self.errors.append(f"the faults stopped: {type(error).__name__}: {error}")
            raise

    def _break(self, fault: Fault) -> None:
        print(fault, flush=True)
        if fault.target == "supervisor":
            for sleeper in self._sleepers:
                sleeper.join()
            self._service.kill()
            self._service.start()
        elif (process := self._found(fault.target)) is None:
            return
        elif fault.freeze:
            sleeper = threading.Thread(target=_freeze, args=(process, fault.freeze))
            sleeper.start()
            self._sleepers.append(sleeper)
        else:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.done[("freeze " if fault.freeze else "kill ") + fault.target] += 1

    def _found(self, name: str) -> psutil.Process | None:
        deadline = time.monotonic() + TIMEOUT
        while (process := process_of(self._service, name)) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        return process


def _freeze(process: psutil.Process, seconds: float) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)
