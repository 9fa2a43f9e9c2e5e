"""Kills processes of a running service, puts them to sleep and takes from them what they need, as the plan says."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager

import psutil

from tests.acceptance.live import LiveService
from tests.faults.processes import lose_power
from tests.soak.plan import Fault
from tests.soak.trouble import frozen, full_of_files, names_are_slow, short_of_memory, tear_one_of

TIMEOUT = 10.0  # seconds for a process that is just being started again

_PASSING: Mapping[str, Callable[[psutil.Process], AbstractContextManager[None]]] = {
    "freeze": frozen,
    "starve": short_of_memory,
    "fill": full_of_files,
}


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
        self._join_sleepers()

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
        if fault.target in ("supervisor", "power"):
            self._join_sleepers()
            self._service.kill() if fault.target == "supervisor" else lose_power(self._service)
            self._service.start()
        elif fault.kind == "slow":
            self._while(fault, names_are_slow(self._service.directory))
        elif (process := self._found(fault.target)) is None:
            return
        elif fault.kind in _PASSING:
            self._while(fault, _PASSING[fault.kind](process))
        else:
            with contextlib.suppress(psutil.NoSuchProcess):
                if fault.kind == "tear":
                    process.suspend()  # or it would write over what is torn
                    tear_one_of(self._service.data / "redis", random.Random(fault.dice))
                process.kill()
        self.done[fault.name] += 1

    def _while(self, fault: Fault, trouble: AbstractContextManager[None]) -> None:
        """The trouble passes by itself; the next fault does not wait for that."""
        sleeper = threading.Thread(target=_last, args=(trouble, fault.seconds))
        sleeper.start()
        self._sleepers.append(sleeper)

    def _join_sleepers(self) -> None:
        for sleeper in self._sleepers:
            sleeper.join()

    def _found(self, name: str) -> psutil.Process | None:
        deadline = time.monotonic() + TIMEOUT
        while (process := process_of(self._service, name)) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        return process


def _last(trouble: AbstractContextManager[None], seconds: float) -> None:
    with trouble:
        time.sleep(seconds)
