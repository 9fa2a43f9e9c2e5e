"""The vocabulary of who spoke when, as it is known at the end of a recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from string import ascii_uppercase


@dataclass(frozen=True, slots=True)
class Turn:
    """speaker: a known name, or a letter. start, end: seconds of the recording. Turns of two speakers may overlap."""

    speaker: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class SpeakerCount:
    """How many people speak, if a request says so. None leaves it to what is heard."""

    exactly: int | None = None
    at_least: int | None = None
    at_most: int | None = None

    @property
    def bounds(self) -> tuple[int, int | None]:
        """The fewest and the most."""
        if self.exactly is not None:
            return self.exactly, self.exactly
        return self.at_least or 1, self.at_most


@dataclass(frozen=True, slots=True)
class Reference:
    """A known speaker. voiceprint: of a recording of theirs, see `Diarizer.voiceprint`."""

    name: str
    voiceprint: str


def letters() -> Iterator[str]:
    """`A` to `Z`, then `AA`, `AB` and so on, without end."""
    for number in count():
        name, rest = "", number
        while rest >= 0:
            name = ascii_uppercase[rest % 26] + name
            rest = rest // 26 - 1
        yield name
