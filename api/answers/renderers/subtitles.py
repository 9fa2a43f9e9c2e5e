"""SubRip and WebVTT."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from api.answers.cues import Cue, CueStyle, cues
from api.answers.renderers.paragraphs import one_line
from engines.transcript import Transcript
from worker.store.records import Layout

Escape = Callable[[str], str]
Say = Callable[[str], str]  # of a speaker


def srt(transcript: Transcript, layout: Layout = Layout()) -> str:
    timed = _timed(transcript, layout, lambda line: line.replace("-->", "->"), lead=_lead)
    return "".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n\n"
        for number, (start, end, text) in enumerate(timed, start=1)
    )


def vtt(transcript: Transcript, layout: Layout = Layout()) -> str:
    timed = _timed(transcript, layout, _escaped, voice=_voice)
    return "WEBVTT\n\n" + "".join(
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n\n" for start, end, text in timed
    )


def _lead(speaker: str) -> str:
    """What SubRip has a speaker in: players show its angle brackets, or swallow them."""
    return f"{one_line(speaker)}: "


def _voice(speaker: str) -> str:
    """WebVTT's voice span, which ends with its cue."""
    return f"<v {_escaped(one_line(speaker))}>"


def _nothing(speaker: str) -> str:
    return ""


def _timed(
    transcript: Transcript, layout: Layout, escape: Escape, *, lead: Say = _nothing, voice: Say = _nothing
) -> Iterator[tuple[int, int, str]]:
    """Start and end in milliseconds and the text of each cue, or of each moment of it. lead: what a speaker is shown
    by; voice: as lead, for what is not shown."""
    for cue in cues(transcript, CueStyle.of(layout), lead):
        by = voice(cue.speaker) if cue.speaker else ""
        moments = _moments(cue, escape) if layout.highlight_words and cue.words else iter(())
        found = False
        for start, end, text in moments:
            found = True
            yield start, end, by + text
        if not found:
            start, end = _span(cue.start, cue.end)
            yield start, end, by + "\n".join(map(escape, cue.lines))


def _span(start: float, end: float) -> tuple[int, int]:
    begins = max(0, round(start * 1000))
    return begins, max(begins + 1, round(end * 1000))


def _moments(cue: Cue, escape: Escape) -> Iterator[tuple[int, int, str]]:
    """The whole cue for each of its words, which is underlined while it is said, and plainly in the pauses between."""
    last, _ = _span(cue.start, cue.end)
    at = _signs(cue.lead)
    for word in cue.words:
        begin, at = at, at + _signs(word.text)
        start, end = _span(word.start, word.end)
        start, end = max(last, start), max(last, start) + 1 if end <= last else end
        if start > last:
            yield last, start, "\n".join(map(escape, cue.lines))
        yield start, end, "\n".join(_underlined(cue.lines, begin, at, escape))
        last = end


def _signs(text: str) -> int:
    return sum(not sign.isspace() for sign in text)


def _underlined(lines: Sequence[str], begin: int, end: int, escape: Escape) -> Iterator[str]:
    """begin, end: which signs of all lines together, spaces not counted."""
    for line in lines:
        places = [at for at, sign in enumerate(line) if not sign.isspace()]
        inside = places[max(0, begin) : max(0, end)]
        begin, end = begin - len(places), end - len(places)
        if not inside:
            yield escape(line)
            continue
        first, after = inside[0], inside[-1] + 1
        yield f"{escape(line[:first])}<u>{escape(line[first:after])}</u>{escape(line[after:])}"


def _clock(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
