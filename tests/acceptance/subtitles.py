"""Subtitles read as strictly as the strictest player does."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)%s(\d{3})"
_SRT_TIME, _VTT_TIME = _TIME % ",", _TIME % r"\."
_SRT = re.compile(rf"(\d+)\n({_SRT_TIME}) --> ({_SRT_TIME})\n((?:[^\n]+\n)+)\n")
_VTT = re.compile(rf"()({_VTT_TIME}) --> ({_VTT_TIME})\n((?:[^\n]+\n)+)\n")


@dataclass(frozen=True, slots=True)
class Cue:
    """Times in seconds."""

    start: float
    end: float
    text: str


def read_srt(body: str) -> list[Cue]:
    """The cues of SubRip; fails on the first character that does not belong there."""
    cues = _read(body, _SRT)
    numbers = [int(found[1]) for found in _SRT.finditer(body)]
    assert numbers == list(range(1, len(cues) + 1))
    assert not any("-->" in cue.text for cue in cues)
    return cues


def read_vtt(body: str) -> list[Cue]:
    """The cues of WebVTT, which has its header even without any."""
    assert body.startswith("WEBVTT\n\n")
    cues = _read(body.removeprefix("WEBVTT\n\n"), _VTT)
    for cue in cues:
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", cue.text)
    return [Cue(cue.start, cue.end, html.unescape(cue.text)) for cue in cues]


def parted(cues: list[Cue], segments: Sequence[tuple[float, float]]) -> bool:
    """Whether each segment, given as start and end, is one cue or several that follow each other inside it."""
    ours = iter(cues)
    for start, end in segments:
        cue = next(ours)
        if cue.start != start:
            return False
        while cue.end < end:
            cue = next(ours)
        if cue.end != end:
            return False
    return next(ours, None) is None


def text_of(cues: list[Cue]) -> str:
    return " ".join(cue.text for cue in cues)


def _read(body: str, pattern: re.Pattern[str]) -> list[Cue]:
    cues: list[Cue] = []
    at = 0
    while at < len(body):
        found = pattern.match(body, at)
        assert found, f"no cue at {body[at : at + 80]!r}"
        at = found.end()
        lines = found[12].splitlines()
        assert all(line == line.strip() for line in lines)
        cue = Cue(_seconds(found[2]), _seconds(found[7]), " ".join(lines))
        assert cue.start < cue.end
        assert not cues or cues[-1].end <= cue.start + 0.002, "cues overlap"
        cues.append(cue)
    return cues


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds), 3)
