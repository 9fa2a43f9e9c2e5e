"""Plays a fleet: callers, an API, workers of mixed speed on one queue, and what Redis and the store cost a job.

caller ─► API ─► store ─► Redis ─► queue ─► the slot that has waited longest ─► passes, by the real policy
  ▲                                                                                    │
  └──────────────────────────── Redis ◄─ store ◄───────────────────────────────────────┘

API, Redis and store are stations that do one thing after another, each for as long as it takes a processor core; what
they do as a job begins and as it ends is taken to be half of it each.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from engines.decoding.schedule import Line, Schedule
from scripts.benchmarking.timed import percentile


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of a core for each job. apis: processes that answer."""

    api: float
    redis: float
    store: float
    apis: int = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """Of worker. cost: seconds of a pass of so many windows; slots: jobs at once."""

    cost: Callable[[int], float]
    max_batch: int
    slots: int

    @property
    def most(self) -> float:
        """Clips a second, if its passes are full."""
        batch = min(self.max_batch, self.slots)
        return batch / self.cost(batch)


@dataclass
class Result:
    """latencies: seconds; seconds: in which these clips were answered; busy: shares of the time, by station."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    busy: dict[str, float] = field(default_factory=dict)

    @property
    def throughput(self) -> float:
        """Clips a second."""
        return len(self.latencies) / self.seconds

    @property
    def p95(self) -> float:
        return percentile(self.latencies, 0.95)


class _Station:
    """First come, first served, by so many servers."""

    def __init__(self, servers: int = 1) -> None:
        self._free_at = [0.0] * servers
        self._servers = servers
        self.worked = 0.0

    def leave(self, now: float, seconds: float) -> float:
        """When who comes now is done."""
        done = max(now, heapq.heappop(self._free_at)) + seconds
        heapq.heappush(self._free_at, done)
        self.worked += seconds
        return done

    def busy(self, seconds: float) -> float:
        return min(1.0, self.worked / (seconds * self._servers))  # some of it is still to come


class _Worker:
    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.schedule: Schedule[_Clip] = Schedule()
        self.waiting = 0
        self.is_busy = False


@dataclass(eq=False, slots=True)
class _Clip:
    asked_at: float
    line: Line[_Clip] | None = None


class _Fleet:
    """Events in the order of their times."""

    def __init__(self, kinds: Sequence[Kind], costs: Costs, clip: float) -> None:
        self._workers = [_Worker(kind) for kind in kinds]
        self._costs, self._clip = costs, clip
        self._queue: deque[_Clip] = deque()
        most = max(kind.slots for kind in kinds)  # slots of different workers come in turn, as they began to wait
        self._idle = deque(each for turn in range(most) for each in self._workers if turn < each.kind.slots)
        self.stations = {"API": _Station(costs.apis), "Redis": _Station(), "store": _Station()}
        self._events: list[tuple[float, int, Callable[..., None], Any]] = []
        self._order = count()
        self.answered: list[tuple[float, float]] = []  # when, and after how long

    def run(self, callers: int, clips: int) -> None:
        for _ in range(callers):
            self._at(0.0, self._ask, None)
        while len(self.answered) < clips:
            now, _, act, what = heapq.heappop(self._events)
            act(now, what)

    def _at(self, when: float, act: Callable[..., None], what: object) -> None:
        heapq.heappush(self._events, (when, next(self._order), act, what))

    def _ask(self, now: float, _: object) -> None:
        self._pass(now, ("API", "store", "Redis"), self._arrive, _Clip(now))

    def _pass(self, now: float, names: Sequence[str], act: Callable[..., None], clip: _Clip) -> None:
        """Through one station after the other, then on."""
        if not names:
            act(now, clip)
            return
        costs = {"API": self._costs.api, "Redis": self._costs.redis, "store": self._costs.store}
        done = self.stations[names[0]].leave(now, costs[names[0]] / 2)
        self._at(done, lambda when, what: self._pass(when, names[1:], act, what), clip)

    def _arrive(self, now: float, clip: _Clip) -> None:
        self._queue.append(clip)
        self._hand_out(now)

    def _hand_out(self, now: float) -> None:
        while self._queue and self._idle:
            worker, clip = self._idle.popleft(), self._queue.popleft()
            clip.line = worker.schedule.open("interactive")
            worker.schedule.add(clip.line, "key", self._clip, clip)
            worker.waiting += 1
            if not worker.is_busy:
                worker.is_busy = True
                self._at(now, self._begin, worker)  # once all that came at this moment are there

    def _begin(self, now: float, worker: _Worker) -> None:
        batch = worker.schedule.next_batch(worker.kind.max_batch)
        worker.waiting -= len(batch)
        self._at(now + worker.kind.cost(len(batch)), self._end, (worker, batch))

    def _end(self, now: float, done: tuple[_Worker, Sequence[_Clip]]) -> None:
        worker, batch = done
        for clip in batch:
            assert clip.line is not None
            worker.schedule.close(clip.line)
            self._idle.append(worker)
            self._pass(now, ("store", "Redis", "API"), self._answer, clip)
        worker.is_busy = False
        self._hand_out(now)
        if worker.waiting and not worker.is_busy:
            worker.is_busy = True
            self._begin(now, worker)

    def _answer(self, now: float, clip: _Clip) -> None:
        self.answered.append((now, now - clip.asked_at))
        self._at(now, self._ask, None)


def play(kinds: Sequence[Kind], costs: Costs, callers: int, *, clip: float = 11.0, rounds: int = 12) -> Result:
    """Callers who each send a clip, wait for its text and send the next. The first third is left out: the queue has to
    settle. clip: seconds of audio, one window."""
    fleet = _Fleet(kinds, costs, clip)
    clips = callers * rounds
    fleet.run(callers, clips)
    settled = fleet.answered[clips // 3 :]
    began, ended = fleet.answered[clips // 3 - 1][0], settled[-1][0]
    busy = {name: station.busy(ended) for name, station in fleet.stations.items()}
    return Result([seconds for _, seconds in settled], ended - began, busy)


def fleet_table(sizes: Sequence[int], mixed: Sequence[Kind], costs: Costs, each: int = 32) -> list[str]:
    """mixed: the kinds, of which a fleet has some each. each: callers for a worker."""
    rows = [
        "| workers | their passes allow | clips a second | of it | p95 | busy: API | Redis | store |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        kinds = [mixed[number % len(mixed)] for number in range(size)]
        allowed = sum(kind.most for kind in kinds)
        result = play(kinds, costs, each * size)
        busy = " | ".join(f"{share:.0%}" for share in result.busy.values())
        reached = f"{result.throughput:.1f} | {result.throughput / allowed:.0%} | {result.p95:.1f} s"
        rows.append(f"| {size} | {allowed:.1f} | {reached} | {busy} |")
    return rows
