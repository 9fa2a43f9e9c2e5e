"""Takes machines away, and their networks, their Redis and their store, as the plan says, and brings them back."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from tests.fleet.fleet import BOX, WORKER, Fleet
from tests.fleet.machine import Machine
from tests.soak.breaking import process_of
from tests.soak.plan import Fault

PROCESSES = {"worker": WORKER, "api": BOX, "webhooks": BOX}  # which runs on which kind of machine
MACHINES = {"worker": WORKER, "box": BOX}


class FleetBreaking:
    """Each fault in a thread of its own: several are there at once, but of a machine, Redis or the store one at a time.
    scale: of how long they last. `done` counts what was really hit."""

    def __init__(self, fleet: Fleet, faults: Iterable[Fault], began: float, scale: float) -> None:
        self.done: Counter[str] = Counter()
        self.errors: list[str] = []
        self._fleet = fleet
        self._faults = faults
        self._began = began
        self._scale = scale
        self._turns = {key: threading.Lock() for key in ("redis", "store", *(m.cable.address for m in fleet.machines))}
        self._counting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, name="breaking")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        """Returns once all faults are over and everything is there again."""
        self._thread.join()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        for fault in self._faults:
            time.sleep(max(0.0, self._began + fault.at - time.monotonic()))
            thread = threading.Thread(target=self._break, args=(fault,), name=fault.name)
            thread.start()
            self._threads.append(thread)

    def _break(self, fault: Fault) -> None:
        print(fault, flush=True)
        try:
            if fault.target == "redis":
                with self._turns["redis"]:
                    self._break_redis(fault)
            elif fault.target == "store":
                with self._turns["store"]:
                    self._break_store(fault)
            else:
                machine = self._machine(fault)
                with self._turns[machine.cable.address]:
                    self._break_machine(fault, machine)
        except Exception as error:  # noqa: BLE001 - or it would not be noticed
            self.errors.append(f"{fault}: {type(error).__name__}: {error}")
        else:
            with self._counting:
                self.done[fault.name] += 1

    def _machine(self, fault: Fault) -> Machine:
        roles = (PROCESSES if fault.kind == "kill" else MACHINES)[fault.target]
        return random.Random(fault.dice).choice([each for each in self._fleet.machines if each.roles == roles])

    def _break_redis(self, fault: Fault) -> None:
        self._fleet.redis.kill()
        if fault.kind == "empty":
            self._fleet.redis.empty()
        time.sleep(1)
        self._fleet.redis.start()

    def _break_store(self, fault: Fault) -> None:
        proxy = self._fleet.proxy
        if fault.kind == "stop":
            self._fleet.store.stop()
            self._last(fault)
            self._fleet.store.start()
            self._fleet.store.wait()
            return
        proxy.delay, proxy.is_refusing = (2.0, False) if fault.kind == "slow" else (0.0, True)
        self._last(fault)
        proxy.well()

    def _break_machine(self, fault: Fault, machine: Machine) -> None:
        kinds: dict[str, Callable[[Fault, Machine], None]] = {
            "kill": self._kill,
            "lose": self._lose,
            "replace": self._replace,
            "cut": self._cut,
            "part": self._part,
        }
        kinds[fault.kind](fault, machine)

    def _kill(self, fault: Fault, machine: Machine) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process := process_of(machine, fault.target):
                process.kill()

    def _lose(self, fault: Fault, machine: Machine) -> None:
        machine.vanish()
        self._last(fault)
        machine.revive()

    def _replace(self, fault: Fault, machine: Machine) -> None:
        """All that lay on it is gone."""
        machine.vanish()
        self._last(fault)
        machine.directory = Path(f"{machine.directory}-{fault.dice}")
        machine.revive()

    def _cut(self, fault: Fault, machine: Machine) -> None:
        with machine.offline():
            self._last(fault)

    def _part(self, fault: Fault, machine: Machine) -> None:
        addresses = (self._fleet.redis_address, self._fleet.store_address)
        with machine.offline(addresses[fault.dice % 2]):
            self._last(fault)

    def _last(self, fault: Fault) -> None:
        time.sleep(max(fault.seconds * self._scale, 0.5))
