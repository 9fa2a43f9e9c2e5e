"""Lengths of time as people write them, and those for which things are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

PERIOD = r"^(forever|\d+(\.\d+)?\s*[smhdw]?)$"
FOREVER = "forever"

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
_NUMBER = re.compile(r"([\d.]+)\s*([smhdw]?)")


def seconds_of(period: str) -> float:
    """`7d`, `12h`, `90m`, `0` or `forever`, in seconds."""
    if period == FOREVER:
        return float("inf")
    found = _NUMBER.fullmatch(period)
    if found is None:
        raise ValueError(period)
    return float(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class RetentionPeriods:
    """For how many seconds after a job's end its recording stays, and the job itself."""

    audio: float = 7 * 24 * 3600.0
    jobs: float = 7 * 24 * 3600.0
