"""Plain text and Markdown."""

from __future__ import annotations

from api.answers.renderers.paragraphs import Paragraph, clock, lines, one_line, paragraphs, turns
from engines.transcript import Transcript
from worker.store.records import Layout

_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>&~#|$"})  # what Markdown would take for its own


def text(transcript: Transcript, layout: Layout = Layout()) -> str:
    """All on one line, or on one for each turn of a speaker; with `timestamps` a line for each segment, with
    `paragraphs` a block for each paragraph."""
    if not layout.timestamps and not layout.paragraphs and not transcript.speakers:
        return f"{transcript.text}\n" if transcript.text else ""
    parts = paragraphs(transcript) if layout.paragraphs else (lines if layout.timestamps else turns)(transcript)
    shown = [f"[{clock(part.start)}] {part.said}" if layout.timestamps else part.said for part in parts]
    return ("\n\n" if layout.paragraphs else "\n").join(shown) + ("\n" if shown else "")


def markdown(transcript: Transcript, title: str) -> str:
    """The recording's name as the heading, then paragraphs with their times and who says them."""
    shown = [f"# {escaped(one_line(title))}"] if title else []
    shown += [f"*{clock(part.start)}* {_by(part)}{escaped(part.text)}" for part in paragraphs(transcript)]
    return "\n\n".join(shown) + ("\n" if shown else "")


def _by(part: Paragraph) -> str:
    return f"**{escaped(part.speaker)}:** " if part.speaker else ""


def escaped(line: str) -> str:
    """So that Markdown shows the line as it is."""
    return line.translate(_MARKS)
