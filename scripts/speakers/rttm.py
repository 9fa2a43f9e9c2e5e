"""Turns as RTTM, the Rich Transcription's file format: what was annotated by hand, and what others' tools read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engines.speakers.turns import Turn


def read_rttm(path: Path) -> list[Turn]:
    """The lines of kind SPEAKER, whatever their file is called. ValueError for one that cannot be read."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        try:
            start, seconds, speaker = float(fields[3]), float(fields[4]), fields[7]
        except (IndexError, ValueError) as error:
            raise ValueError(f"{path}, line {number}, is no line of RTTM: {line}") from error
        found.append(Turn(speaker, start, start + seconds))
    return found


def write_rttm(path: Path, turns: Iterable[Turn], name: str) -> None:
    lines = (
        f"SPEAKER {name} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> {turn.speaker} <NA> <NA>\n"
        for turn in turns
    )
    path.write_text("".join(lines), encoding="utf-8")
