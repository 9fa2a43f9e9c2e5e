"""What goes wrong and who calls when: all of it follows from the seed, so that a run can be repeated."""

from __future__ import annotations

import random
from dataclasses import dataclass

# Which process is hit how often. `supervisor` takes all others with it and is started again by hand.
KILLED = {"worker": 5, "api": 3, "redis": 3, "webhooks": 2, "supervisor": 1}
FROZEN = {"worker": 3, "api": 1, "redis": 1, "webhooks": 1}
FREEZES = 0.3  # share of the faults
MAX_FREEZE = 8.0  # seconds

CALLS = {"job": 6, "wait": 4, "stream": 2, "leave": 2, "break off": 2}
QUIET = 5.0  # seconds at both ends in which nothing is broken


@dataclass(frozen=True, slots=True)
class Fault:
    """At `at` seconds `target` is killed, or put to sleep for `freeze` seconds."""

    at: float
    target: str
    freeze: float = 0.0

    def __str__(self) -> str:
        return f"{self.at:6.1f} s {self.target} " + (f"sleeps {self.freeze:.1f} s" if self.freeze else "is killed")


@dataclass(frozen=True, slots=True)
class Call:
    """What a client does at `at` seconds, with which of the recordings. number: a name for it."""

    number: int
    at: float
    kind: str
    recording: int


@dataclass(frozen=True, slots=True)
class Plan:
    faults: tuple[Fault, ...]
    calls: tuple[Call, ...]


def plan(seed: int, seconds: float, recordings: int, calls_per_minute: float, faults_per_minute: float) -> Plan:
    """recordings: how many there are to choose from; the first ones are taken more often."""
    faults = tuple(_faults(random.Random(f"faults {seed}"), seconds, faults_per_minute))
    calls = tuple(_calls(random.Random(f"calls {seed}"), seconds, recordings, calls_per_minute))
    return Plan(faults, calls)


def _faults(chance: random.Random, seconds: float, per_minute: float) -> list[Fault]:
    found: list[Fault] = []
    at = QUIET
    while (at := at + chance.expovariate(per_minute / 60)) < seconds - QUIET:
        if chance.random() < FREEZES:
            found.append(Fault(at, _one_of(chance, FROZEN), chance.uniform(0.5, MAX_FREEZE)))
        else:
            found.append(Fault(at, _one_of(chance, KILLED)))
    return found


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
