"""What goes wrong and who calls when: all of it follows from the seed, so that a run can be repeated."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# What goes wrong, with which processes, and how often. `supervisor` and `power` take all others with them, and the
# service is started again by hand.
KINDS = {  # of one machine
    "kill": {"worker": 5, "api": 3, "redis": 3, "webhooks": 2, "supervisor": 1},
    "freeze": {"worker": 3, "api": 1, "redis": 2, "webhooks": 1},
    "tear": {"redis": 1},
    "lose": {"power": 1},
    "starve": {"worker": 2, "api": 1},  # of memory
    "fill": {"api": 2, "worker": 1, "webhooks": 1},  # its open files
    "slow": {"names": 1},
}
SHARES = {"kill": 10, "freeze": 5, "tear": 2, "lose": 1, "starve": 2, "fill": 2, "slow": 2}
LASTING = ("freeze", "starve", "fill", "slow")
MAX_SECONDS = 8.0

# … and of several. `lose` takes a whole machine away for a while, `replace` has a fresh one come back; `cut` takes its
# network, `part` the way to either Redis or the store.
FLEET_KINDS = {
    "kill": {"worker": 4, "api": 2, "webhooks": 1, "redis": 2},
    "lose": {"worker": 3, "box": 1},
    "replace": {"box": 1, "worker": 1},
    "cut": {"worker": 4, "box": 1},
    "part": {"worker": 4, "box": 1},
    "empty": {"redis": 1},
    "stop": {"store": 1},
    "slow": {"store": 1},
    "refuse": {"store": 1},
}
FLEET_SHARES = {"kill": 6, "lose": 4, "replace": 1, "cut": 5, "part": 5, "empty": 1, "stop": 1, "slow": 1, "refuse": 1}
FLEET_LASTING = ("lose", "replace", "cut", "part", "stop", "slow", "refuse")

CALLS = {"job": 6, "wait": 4, "stream": 2, "leave": 2, "break off": 2}
FAULTS_PER_MINUTE = 6.0
WORKER_KILLED = "kill worker"
SPARED = 90.0  # seconds in which the worker is killed twice at most
QUIET = 5.0  # seconds at both ends in which nothing is broken


@dataclass(frozen=True, slots=True)
class Fault:
    """At `at` seconds something happens to `target`. seconds: how long it lasts, if it passes by itself. dice: for what
    else is left to chance."""

    at: float
    kind: str
    target: str
    seconds: float
    dice: int

    @property
    def name(self) -> str:
        return f"{self.kind} {self.target}"

    def __str__(self) -> str:
        return f"{self.at:6.1f} s {self.name}" + (f" for {self.seconds:.1f} s" if self.seconds else "")


@dataclass(frozen=True, slots=True)
class Call:
    """What a client does at `at` seconds, with which of the recordings. number: a name for it."""

    number: int
    at: float
    kind: str
    recording: int


@dataclass(frozen=True, slots=True)
class Menu:
    """What may go wrong, in which shares; what passes by itself takes seconds up to `longest`."""

    kinds: Mapping[str, dict[str, int]]
    shares: dict[str, int]
    lasting: Sequence[str]
    longest: float


ONE_MACHINE = Menu(KINDS, SHARES, LASTING, MAX_SECONDS)
FLEET = Menu(FLEET_KINDS, FLEET_SHARES, FLEET_LASTING, 60.0)


@dataclass(frozen=True, slots=True)
class Plan:
    faults: tuple[Fault, ...]
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run is, in seconds, and how much happens in a minute of it. patience: seconds a client goes on
    trying."""

    seconds: float
    faults: float
    calls: float
    patience: float = 300.0


def plan(seed: int, pace: Pace, recordings: int, menu: Menu = ONE_MACHINE) -> Plan:
    """recordings: how many there are to choose from; the first ones are taken more often."""
    faults = tuple(_faults(random.Random(f"faults {seed}"), pace.seconds, pace.faults, menu))
    calls = tuple(_calls(random.Random(f"calls {seed}"), pace.seconds, recordings, pace.calls))
    return Plan(faults, calls)


def _faults(chance: random.Random, seconds: float, per_minute: float, menu: Menu) -> list[Fault]:
    found: list[Fault] = []
    at = QUIET
    while (at := at + chance.expovariate(per_minute / 60)) < seconds - QUIET:
        kind = _one_of(chance, menu.shares)
        lasts = chance.uniform(0.5, menu.longest) if kind in menu.lasting else 0.0
        fault = Fault(at, kind, _one_of(chance, menu.kinds[kind]), lasts, chance.randrange(10**6))
        found.append(replace(fault, target="api") if _would_be_the_third(fault, found) else fault)
    return found


def _would_be_the_third(fault: Fault, before: list[Fault]) -> bool:
    """Three deaths of a worker before a window is decoded end a job, as is promised."""
    recent = [earlier for earlier in before if earlier.at > fault.at - SPARED]
    return fault.name == WORKER_KILLED and sum(earlier.name == WORKER_KILLED for earlier in recent) >= 2


def _calls(chance: random.Random, seconds: float, recordings: int, per_minute: float) -> list[Call]:
    found: list[Call] = []
    at = 0.0
    weights = [1 / (number + 1) for number in range(recordings)]
    while (at := at + chance.expovariate(per_minute / 60)) < seconds:
        (recording,) = chance.choices(range(recordings), weights)
        found.append(Call(len(found), at, _one_of(chance, CALLS), recording))
    return found


def _one_of(chance: random.Random, weights: dict[str, int]) -> str:
    (chosen,) = chance.choices(list(weights), list(weights.values()))
    return chosen
