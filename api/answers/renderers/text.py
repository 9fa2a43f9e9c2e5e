"""Plain text and Markdown."""

from __future__ import annotations

from api.answers.renderers.paragraphs import clock, lines, one_line, paragraphs
from engines.transcript import Transcript
from worker.store.records import Layout

_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>&~#|$"})  # what Markdown would take for its own


def text(transcript: Transcript, layout: Layout = Layout()) -> str:
    """All on one line; with `timestamps` a line for each segment, with `paragraphs` a block for each paragraph."""
    if not layout.timestamps and not layout.paragraphs:
        return f"{transcript.text}\n" if transcript.text else ""
    parts = paragraphs(transcript) if layout.paragraphs else lines(transcript)
    shown = [f"[{clock(part.start)}] {part.text}" if layout.timestamps else part.text for part in parts]
    return ("\n\n" if layout.paragraphs else "\n").join(shown) + ("\n" if shown else "")


def markdown(transcript: Transcript, title: str) -> str:
    """The recording's name as the heading, then paragraphs with their times."""
    shown = [f"# {escaped(one_line(title))}"] if title else []
    shown += [f"*{clock(part.start)}* {escaped(part.text)}" for part in paragraphs(transcript)]
    return "\n\n".join(shown) + ("\n" if shown else "")


def escaped(line: str) -> str:
    """So that Markdown shows the line as it is."""
    return line.translate(_MARKS)
