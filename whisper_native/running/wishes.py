"""What a user wants done with every recording of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wishes:
    """fields: of the request that sends a recording, which decide what its job is. layout: how its transcript is
    written, whatever job that is of.

    formats: of the outputs. waits: for the end; else recordings are handed in only. overwrites: outputs that are there
    already. uploads: how many at once. tells: print the text as it comes.
    """

    formats: tuple[str, ...] = ("txt",)
    fields: Mapping[str, str] = field(default_factory=dict)
    layout: Mapping[str, str] = field(default_factory=dict)
    waits: bool = True
    overwrites: bool = False
    uploads: int = 2
    tells: bool = False
