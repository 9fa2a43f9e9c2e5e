"""What one transcription, or many at once, gave and took."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript. words: each with its start in seconds. seconds: how long the work itself took."""

    text: str
    words: tuple[tuple[str, float], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Load:
    """Several transcriptions at once. seconds: from the first's begin to the last's end; cores: busy on average;
    peak: memory in MB, of all processes together; peaks: of each program by itself."""

    heard: tuple[Heard, ...]
    seconds: float
    cores: float
    peak: float
    peaks: dict[str, float] = field(default_factory=dict)

    @property
    def latencies(self) -> list[float]:
        return [row.seconds for row in self.heard]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
