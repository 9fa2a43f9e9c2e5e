"""What all steps of the benchmark share: whom to measure, how much of it, and where the figures go."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchmarking.report import Figure, Report
from scripts.benchmarking.targets import Native, Target
from scripts.benchmarking.timed import Heard, Load

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "meeting.mp3"
REST = 0.5  # seconds between two that take turns: idle threads of the one spin for a while after its work
LANES = 2  # of the service, for the time one of its passes takes
FLOORS = {"1x2": (1, 2), "2x1": (2, 1)}  # faster-whisper in a process: workers and threads of each

Runs = dict[str, list[Load]]  # of each that is compared, one load a round


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. minutes of recordings (endless: hours); rounds: of which the median counts; clips: single
    calls; crowd: clips at once."""

    rounds: int = 3
    clips: int = 20
    files: int = 24
    crowd: int = 100
    long: float = 42.0
    short: float = 5.0
    endless: float = 3.0
    stream: float = 10.0
    condition: float = 12.3
    wordless: float = 10.0
    concurrency: tuple[int, ...] = (1, 8, 32)


QUICK = Sizes(
    rounds=1,
    clips=5,
    files=8,
    crowd=20,
    long=3.0,
    short=1.25,
    endless=0.75,
    stream=1.25,
    condition=0.4,
    wordless=0.5,
    concurrency=(1, 8),
)


@dataclass
class Bench:
    """audio: a recording of the user's own for the clip and the long file."""

    native: Native
    others: list[Target]
    weights: Path
    model: str
    sizes: Sizes
    report: Report
    say: Callable[[str], object]
    audio: Path | None = None

    @property
    def clip(self) -> Path:
        return self.audio or SAMPLE

    @property
    def targets(self) -> list[Target]:
        return [self.native, *self.others]

    def add(self, step: str, name: str, value: str, wanted: str = "", met: bool | None = None) -> None:
        """A line of the report. wanted: the promise; met: whether it is kept, None for a figure without one."""
        self.report.figures.setdefault(step, []).append(Figure(name, value, wanted, met))
        self.say(f"{name}: {value}" + {True: "", None: "", False: "  (not met)"}[met])

    def add_ratio(self, step: str, name: str, ratio: float, wanted: float) -> None:
        self.add(step, name, f"{ratio:.2f}", f"at least {wanted}", ratio >= wanted)

    def keep(self, step: str, name: str, value: Any) -> None:
        """Raw figures, for the JSON file."""
        self.report.raw.setdefault(step, {})[name] = value

    def draw(self, title: str, name: str, value: float) -> None:
        self.report.bars.setdefault(title, {})[name] = round(value, 3)


def in_turns(callers: dict[str, Callable[[Path], Heard]], path: Path, times: int) -> dict[str, list[Heard]]:
    """Each of them so many times, one after the other, once they are warm."""
    for warm in callers.values():
        warm(path)
    heard: dict[str, list[Heard]] = {name: [] for name in callers}
    for _ in range(times):
        for name, call in callers.items():
            time.sleep(REST)
            heard[name].append(call(path))
    return heard


def note(runs: Runs, name: str, load: Load) -> None:
    """Keeps a load, and rests."""
    time.sleep(REST)
    runs.setdefault(name, []).append(load)
