"""Subtitles: a transcript's segments cut into cues that can be read while they are spoken.

segment ─► too long or too wide? cut at the best place between two words, both parts again ─► lines
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from api.answers.line_breaks import columns, line_count, wrapped
from engines.text.script_breaks import break_numbers
from engines.transcript import Transcript, Word
from worker.store.records import Layout

CLAUSE_ENDS = (",", ";", ":", "—", "，", "、", "；", "：", "،")
PAUSE = 0.5  # seconds between two words that make a good place to cut


@dataclass(frozen=True, slots=True)
class CueStyle:
    """What fits a cue: the limits that the BBC and Netflix ask of subtitles."""

    max_seconds: float = 7.0
    max_width: int = 42  # columns of a line
    max_lines: int = 2
    max_words: int | None = None  # of a line, instead of its columns

    @classmethod
    def of(cls, layout: Layout) -> CueStyle:
        """What a client asks for. As in Whisper's own writers, words are counted if no width is given."""
        lines = layout.max_line_count
        if layout.max_words_per_line and not layout.max_line_width:
            return cls(max_lines=lines or 1, max_words=layout.max_words_per_line)
        return cls(max_width=layout.max_line_width or cls().max_width, max_lines=lines or cls().max_lines)


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines of text and when they are shown, in seconds of the recording. words: what they consist of, if known, behind
    the lead that says who speaks."""

    start: float
    end: float
    lines: tuple[str, ...]
    words: tuple[Word, ...] = ()
    speaker: str = ""
    lead: str = ""


def cues(
    transcript: Transcript, style: CueStyle | None = None, lead: Callable[[str], str] = lambda speaker: ""
) -> Iterator[Cue]:
    """The cues of all segments with text, in order. A single word or a segment without words is never cut. lead: how
    each cue begins, by its speaker, if there is one; it takes its part of the lines."""
    style = style or CueStyle()
    for segment in transcript.segments:
        by = lead(segment.speaker) if segment.speaker else ""
        if not segment.words:
            if text := " ".join(segment.text.split()):
                lines = wrapped(by + text, transcript.language, style.max_width)
                yield Cue(segment.start, segment.end, tuple(lines), (), segment.speaker, by)
            continue
        for words in _fitting(segment.words, transcript.language, style, by):
            if lines := _lines(words, transcript.language, style, by):
                yield Cue(words[0].start, words[-1].end, tuple(lines), tuple(words), segment.speaker, by)


def _lines(words: Sequence[Word], language: str, style: CueStyle, lead: str) -> list[str]:
    """None if there is no text in the words."""
    if style.max_words is None:
        text = " ".join(_text(words).split())
        return wrapped(lead + text, language, style.max_width) if text else []
    each = math.ceil(len(words) / math.ceil(len(words) / style.max_words))  # lines of like length
    texts = (_text(words[at : at + each]) for at in range(0, len(words), each))
    lines = [line for text in texts if (line := " ".join(text.split()))]
    return [lead + lines[0], *lines[1:]] if lines else []


def _fitting(words: Sequence[Word], language: str, style: CueStyle, lead: str) -> Iterator[Sequence[Word]]:
    if len(words) == 1 or _fits(words, language, style, lead):
        yield words
        return
    at = _best_cut(words, language)
    yield from _fitting(words[:at], language, style, lead)
    yield from _fitting(words[at:], language, style, lead)


def _fits(words: Sequence[Word], language: str, style: CueStyle, lead: str) -> bool:
    is_short = words[-1].end - words[0].start <= style.max_seconds
    if style.max_words is not None:
        return is_short and len(words) <= style.max_words * style.max_lines
    return is_short and line_count(lead + _text(words).lstrip(), language, style.max_width) <= style.max_lines


def _best_cut(words: Sequence[Word], language: str) -> int:
    """The number of the word that the second part begins with."""
    widths = [columns(word.text) for word in words]
    total, left = sum(widths) or 1, 0
    breaks = break_numbers(words, language)
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


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words)
