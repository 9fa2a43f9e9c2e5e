"""A transcript as paragraphs that can be read: segments until another speaks, somebody pauses or enough was said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from api.answers.line_breaks import columns
from engines.transcript import Segment, Transcript

PAUSE = 2.0  # seconds of silence before a new paragraph
ENOUGH = 500  # columns after which a paragraph ends with its sentence
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "．", "؟", "۔", "।", '."', "”", "」")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text on one line, and when it is said, in seconds of the recording. speaker: who says it, if that is known."""

    start: float
    end: float
    text: str
    speaker: str = ""

    @property
    def said(self) -> str:
        """The text behind the name of who says it."""
        return f"{self.speaker}: {self.text}" if self.speaker else self.text


def paragraphs(transcript: Transcript) -> Iterator[Paragraph]:
    """All that is said, in order."""
    yield from _gathered(transcript, _ends)


def turns(transcript: Transcript) -> Iterator[Paragraph]:
    """The same, until another speaks."""
    yield from _gathered(transcript, _is_said_by_another)


def lines(transcript: Transcript) -> Iterator[Paragraph]:
    """The same, segment by segment."""
    for segment in transcript.segments:
        yield from _joined([segment])


def clock(seconds: float) -> str:
    """As in `01:02:03`."""
    minutes, whole = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{whole:02}"


def _gathered(transcript: Transcript, ends: Callable[[list[Segment], Segment], bool]) -> Iterator[Paragraph]:
    gathered: list[Segment] = []
    for segment in transcript.segments:
        if gathered and ends(gathered, segment):
            yield from _joined(gathered)
            gathered = []
        gathered.append(segment)
    yield from _joined(gathered)


def _is_said_by_another(gathered: list[Segment], following: Segment) -> bool:
    return following.speaker != gathered[-1].speaker


def _ends(gathered: list[Segment], following: Segment) -> bool:
    if _is_said_by_another(gathered, following):
        return True
    if following.start - gathered[-1].end >= PAUSE:
        return True
    is_long = sum(columns(segment.text) for segment in gathered) >= ENOUGH
    return is_long and gathered[-1].text.rstrip().endswith(SENTENCE_ENDS)


def _joined(segments: list[Segment]) -> Iterator[Paragraph]:
    """Nothing if there is no text in them."""
    if text := one_line("".join(segment.text for segment in segments)):
        yield Paragraph(segments[0].start, segments[-1].end, text, one_line(segments[0].speaker))


def one_line(text: str) -> str:
    """Without line breaks, and without what neither a table nor XML can hold: control characters, half surrogates."""
    return " ".join("".join(sign for sign in text if sign.isspace() or not _is_unwritable(sign)).split())


def _is_unwritable(sign: str) -> bool:
    return sign < " " or "\x7f" <= sign <= "\x9f" or "\ud800" <= sign <= "\udfff" or sign in "\ufffe\uffff"
