"""Simulates callers of a service on a GPU: the real policy (`engines.decoding.schedule`), a clock and a cost model in
place of a model. It shows what sharing passes is worth if no GPU is at hand, and where fleets of them meet the next
wall: what a job costs the API, Redis and the store was measured (`scripts/benchmarking/fleet.py`). All else is no
measurement.

    python scripts/simulate_gpu.py

The cost of a pass of n windows is taken to be `fixed + n * each`. The defaults follow from faster-whisper's published
figures (README of 1.2.1: large-v2, float16, beam 5, 13 minutes of audio on an RTX 3070 Ti: 63 s one window at a time,
17 s in batches of 8), with 26 windows of 30 s: fixed + each = 63/26 and 4 * fixed + 26 * each = 17.
"""

from __future__ import annotations

import argparse
import heapq
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parent.parent
if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(ROOT)

from engines.decoding.schedule import Line, Schedule  # noqa: E402 - the path comes first
from scripts.benchmarking.simulated_fleet import Costs, Kind, fleet_table  # noqa: E402
from scripts.benchmarking.timed import percentile  # noqa: E402

WINDOWS, ONE_BY_ONE, IN_EIGHTS = 26, 63.0, 17.0  # seconds, as published
EACH = (IN_EIGHTS - 4 * ONE_BY_ONE / WINDOWS) / (WINDOWS - 4)
FIXED = ONE_BY_ONE / WINDOWS - EACH

CLIP = 11.0  # seconds of audio, one window
LONG_WINDOW = 28.0  # seconds of audio in a window of a long recording
CALLERS = (1, 2, 4, 8, 16, 32, 100, 300, 1000)
FLEET = (1, 2, 4, 16, 64)  # workers …
SPEEDS = (1.0, 0.5, 2.0, 0.25)  # … and how fast they are in turn
COSTS = Costs(api=0.0103, redis=0.0043, store=0.0187)
TURBO = 8.0  # how much faster than large-v2 large-v3-turbo is said to be
RESULT = ROOT / "scripts" / "benchmark_results" / "simulation.md"


@dataclass(frozen=True, slots=True)
class Machine:
    """A service: windows a pass takes, recordings at once, cost of a pass in seconds."""

    max_batch: int
    slots: int
    fixed: float = FIXED
    each: float = EACH

    def cost(self, windows: int) -> float:
        return self.fixed + windows * self.each


@dataclass
class Outcome:
    """latencies: of clips, in seconds, once the queue has settled; seconds: how long these took all together;
    long_seconds: of the long recording decoded meanwhile."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    long_seconds: float = 0.0

    @property
    def throughput(self) -> float:
        """Seconds of the clips' audio for each second."""
        return len(self.latencies) * CLIP / self.seconds


@dataclass(eq=False, slots=True)
class _Clip:
    asked_at: float
    line: Line[_Clip | None] | None = None


def simulate(machine: Machine, callers: int, *, long_job: bool, rounds: int = 12) -> Outcome:
    """Callers who each send a clip, wait for its text and send the next; long_job: a recording without end beside
    them. The first third of all clips is left out: the queue has to settle."""
    schedule: Schedule[_Clip | None] = Schedule()
    waiting = deque(_Clip(0.0) for _ in range(callers))
    endless = schedule.open("batch") if long_job else None
    running = served = 0
    now = begun = 0.0
    outcome = Outcome()
    total = callers * rounds
    arrivals: list[tuple[float, int]] = []
    order = count()
    while served < total:
        while arrivals and arrivals[0][0] <= now:
            waiting.append(_Clip(heapq.heappop(arrivals)[0]))
        while waiting and running < machine.slots:
            clip = waiting.popleft()
            clip.line = schedule.open("interactive")
            schedule.add(clip.line, "key", CLIP, clip)
            running += 1
        while endless and len(endless.waiting) < 2 * machine.max_batch:
            schedule.add(endless, "key", LONG_WINDOW, None)
        batch = schedule.next_batch(machine.max_batch)
        now += machine.cost(len(batch))
        for done in batch:
            if done is None:
                outcome.long_seconds += LONG_WINDOW if served >= total // 3 else 0.0
                continue
            assert done.line is not None
            schedule.close(done.line)
            running -= 1
            served += 1
            if served == total // 3:
                begun = now
            elif served > total // 3:
                outcome.latencies.append(now - done.asked_at)
            heapq.heappush(arrivals, (now, next(order)))
    outcome.seconds = now - begun
    return outcome


def table(machines: dict[str, Machine], *, long_job: bool, callers: Sequence[int] = CALLERS) -> list[str]:
    head = [f"{name}: x real time; p95 of a clip" + ("; the long job" if long_job else "") for name in machines]
    rows = ["| callers | " + " | ".join(head) + " |", "|---|" + "---|" * len(head)]
    for number in callers:
        cells = []
        for machine in machines.values():
            outcome = simulate(machine, number, long_job=long_job)
            long = f"; {outcome.long_seconds / outcome.seconds:.1f} x" if long_job else ""
            cells.append(f"{outcome.throughput:.1f} x; {percentile(outcome.latencies, 0.95):.1f} s{long}")
        rows.append(f"| {number} | " + " | ".join(cells) + " |")
    return rows


def fleets(fixed: float, each: float, batch: int) -> list[str]:
    """The part of the report about fleets."""

    def kind(faster: float, speed: float, slots: int) -> Kind:
        def cost(windows: int) -> float:
            return (fixed + windows * each) / (faster * speed)

        return Kind(cost, batch, slots)

    def kinds(faster: float, *, in_proportion: bool = False) -> list[Kind]:
        """In proportion to their speed: slots, of which those of one speed have two for each window of a pass."""
        shares = [min(1.0, speed) if in_proportion else 1.0 for speed in SPEEDS]
        return [
            kind(faster, speed, max(1, round(2 * batch * share))) for speed, share in zip(SPEEDS, shares, strict=True)
        ]

    many_cores = replace(COSTS, store=COSTS.store / 4, apis=2)
    speeds = ", ".join(f"{speed:g}" for speed in SPEEDS)
    return [
        "## Fleets on one API, Redis and store",
        "",
        f"A job costs the API {1000 * COSTS.api:.1f} ms of a core, Redis {1000 * COSTS.redis:.1f} ms and the store "
        f"{1000 * COSTS.store:.1f} ms ([as measured](../../docs/BENCHMARKS.md#a-fleet), with SeaweedFS); each has one "
        f"core. Workers are {speeds} x as fast in turn, with two slots for each window of a pass, and 32 callers each.",
        "",
        *fleet_table(FLEET, kinds(1.0), COSTS),
        "",
        "The same with slots in proportion to the speed of those that are slow (`WHISPER_INTERACTIVE_SLOTS`):",
        "",
        *fleet_table(FLEET, kinds(1.0, in_proportion=True), COSTS),
        "",
        f"With passes {TURBO:g} times as fast, as large-v3-turbo is said to be:",
        "",
        *fleet_table(FLEET, kinds(TURBO, in_proportion=True), COSTS),
        "",
        "And with two API processes and a store that has four cores:",
        "",
        *fleet_table(FLEET, kinds(TURBO, in_proportion=True), many_cores),
        "",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fixed", type=float, default=FIXED, help="seconds of every pass (%(default).2f)")
    parser.add_argument("--each", type=float, default=EACH, help="seconds for each window in it (%(default).2f)")
    parser.add_argument("--max-batch", type=int, default=16, help="windows a pass takes (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULT, help="a file (%(default)s)")
    options = parser.parse_args()
    fixed, each, batch = options.fixed, options.each, options.max_batch
    machines = {
        "one window at a time": Machine(1, batch, fixed, each),
        f"passes of {batch}, 4 slots": Machine(batch, 4, fixed, each),
        f"passes of {batch}, {batch} slots": Machine(batch, batch, fixed, each),
    }
    text = "\n".join(
        [
            "# A simulation, not a measurement",
            "",
            f"`scripts/simulate_gpu.py`: the real scheduling policy, a simulated clock, and a pass of n windows that "
            f"takes {fixed:.2f} s + n x {each:.2f} s (from faster-whisper's published figures for large-v2 on an RTX "
            f"3070 Ti). Each caller sends clips of {CLIP:g} s, one after the other.",
            "",
            "## Clips only",
            "",
            *table(machines, long_job=False),
            "",
            "## Clips beside one long job that never ends",
            "",
            *table(machines, long_job=True),
            "",
            *fleets(fixed, each, batch),
        ]
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
