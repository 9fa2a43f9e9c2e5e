"""Subtitles: a transcript's segments cut into cues that can be read while they are spoken.

segment ─► too long or too wide? cut at the best place between two words, both parts again ─► lines
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.answers.line_breaks import chunks, columns, line_count, wrapped
from engines.transcript import Segment, Transcript, Word

CLAUSE_ENDS = (",", ";", ":", "—", "，", "、", "；", "：", "،")
PAUSE = 0.5  # seconds between two words that make a good place to cut


@dataclass(frozen=True, slots=True)
class CueStyle:
    """What fits a cue: the limits that the BBC and Netflix ask of subtitles."""

    max_seconds: float = 7.0
    max_width: int = 42  # columns of a line
    max_lines: int = 2


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines of text and when they are shown, in seconds of the recording."""

    start: float
    end: float
    lines: tuple[str, ...]


def cues(transcript: Transcript, style: CueStyle | None = None) -> Iterator[Cue]:
    """The cues of all segments with text, in order. A single word or a segment without words is never cut."""
    style = style or CueStyle()
    for segment in transcript.segments:
        for start, end, text in _parts(segment, transcript.language, style):
            if lines := wrapped(" ".join(text.split()), transcript.language, style.max_width):
                yield Cue(start, end, tuple(lines))


def _parts(segment: Segment, language: str, style: CueStyle) -> Iterator[tuple[float, float, str]]:
    if not segment.words:
        yield segment.start, segment.end, segment.text
        return
    for words in _fitting(segment.words, language, style):
        yield words[0].start, words[-1].end, _text(words)


def _fitting(words: Sequence[Word], language: str, style: CueStyle) -> Iterator[Sequence[Word]]:
    if len(words) == 1 or _fits(words, language, style):
        yield words
        return
    at = _best_cut(words, language)
    yield from _fitting(words[:at], language, style)
    yield from _fitting(words[at:], language, style)


def _fits(words: Sequence[Word], language: str, style: CueStyle) -> bool:
    is_short = words[-1].end - words[0].start <= style.max_seconds
    return is_short and line_count(_text(words), language, style.max_width) <= style.max_lines


def _best_cut(words: Sequence[Word], language: str) -> int:
    """The number of the word that the second part begins with."""
    widths = [columns(word.text) for word in words]
    total, left = sum(widths) or 1, 0
    breaks = _breaks(words, language)
    best, best_cost = 1, float("inf")
    for at in range(1, len(words)):
        left += widths[at - 1]
        cost = abs(total - 2 * left) / total + _cost_between(words[at - 1], words[at]) + (at not in breaks)
        if cost < best_cost:
            best, best_cost = at, cost
    return best


def _cost_between(before: Word, after: Word) -> float:
    """How bad it is to part two words: least at a comma or a pause, most after an abbreviation ("Mr.")."""
    text = before.text.strip()
    pause = min(after.start - before.end, PAUSE) / PAUSE * 0.3
    return (-0.3 if text.endswith(CLAUSE_ENDS) else 1.0 if text.endswith(".") else 0.0) - pause


def _breaks(words: Sequence[Word], language: str) -> set[int]:
    """Between which words the script breaks: a word of ours may be a single sign of a longer one."""
    ends, at = set(), 0
    for chunk in chunks(_text(words), language):
        at += len(chunk)
        ends.add(at)
    found, at = set(), 0
    for number, word in enumerate(words, start=1):
        at += len(word.text)
        if at in ends or (words[number : number + 1] and words[number].text.startswith(" ")):
            found.add(number)
    return found


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words)
