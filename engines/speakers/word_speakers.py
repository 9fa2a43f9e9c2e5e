"""Words to speakers, and where segments are cut because the voice changes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

from engines.speakers.turns import Turn
from engines.speakers.voice_piece import VoicePiece
from engines.transcript import Segment, Speaker, Word

_NEAR = 5.0  # seconds around a segment in which its speakers are looked for first
_SHORTEST = 0.05  # seconds that a word counts at least


class Voices:
    """Who speaks at a time. labelled: pairs of a label and the seconds in which that voice is heard."""

    def __init__(self, labelled: Iterable[tuple[str, tuple[float, float]]]) -> None:
        self._labelled = list(labelled)

    @classmethod
    def of_turns(cls, turns: Sequence[Turn]) -> Voices:
        return cls((turn.speaker, (turn.start, turn.end)) for turn in turns)

    @classmethod
    def of_pieces(cls, pieces: Sequence[VoicePiece], labels: Sequence[str]) -> Voices:
        """Of one window, by the labels that were told for its pieces."""
        return cls((label, span) for piece, label in zip(pieces, labels, strict=True) for span in piece.spans)

    def at(self, start: float, end: float) -> str:
        """Who is heard longest in that time, else whoever is nearest; empty if nobody speaks at all."""
        seconds: dict[str, float] = defaultdict(float)
        for label, (begins, ends) in self._labelled:
            if (overlap := min(end, ends) - max(start, begins)) > 0:
                seconds[label] += overlap
        if seconds:
            return max(seconds, key=seconds.__getitem__)
        nearest = min(self._labelled, key=lambda each: max(each[1][0] - end, start - each[1][1]), default=("", None))
        return nearest[0]

    def change(self, before: Word, after: Word) -> bool:
        """Whether another voice says the word that comes after: a segment is cut there (see `segments_of`)."""
        return self.at(before.start, before.end) != self.at(after.start, after.end)


def assign(segments: Sequence[Segment], turns: Sequence[Turn]) -> tuple[Segment, ...]:
    """The segments with their speakers, and so each word. A segment takes whoever says most of it; it was cut where the
    voice changes when its window was heard, so its id, times, text and tokens stay as they were told."""
    there = _Turns(turns)
    return tuple(_assigned(segment, there.near(segment)) for segment in segments)


def speakers_of(turns: Sequence[Turn]) -> tuple[Speaker, ...]:
    """Everybody who speaks, in order of appearance, with the seconds they speak."""
    seconds: dict[str, float] = defaultdict(float)
    for turn in turns:
        seconds[turn.speaker] += turn.end - turn.start
    return tuple(Speaker(name, round(spoken, 3)) for name, spoken in seconds.items())


class _Turns:
    """All turns of a recording, in which those around a segment are found without a look at each: ten hours have more
    than ten thousand of either."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start)
        self._starts = [turn.start for turn in self._turns]
        self._reach = list(accumulate((turn.end for turn in self._turns), max))  # where all turns so far have ended

    def near(self, segment: Segment) -> Voices:
        """Who speaks around the segment; if nobody does, everybody."""
        first = bisect_right(self._reach, segment.start - _NEAR)
        last = bisect_left(self._starts, segment.end + _NEAR)
        near = [turn for turn in self._turns[first:last] if turn.end > segment.start - _NEAR]
        return Voices.of_turns(near or self._turns)


def _assigned(segment: Segment, voices: Voices) -> Segment:
    words = tuple(replace(word, speaker=voices.at(word.start, word.end)) for word in segment.words)
    if not words:
        return replace(segment, speaker=voices.at(segment.start, segment.end))
    seconds: dict[str, float] = defaultdict(float)
    for word in words:
        seconds[word.speaker] += max(word.end - word.start, _SHORTEST)
    return replace(segment, words=words, speaker=max(seconds, key=seconds.__getitem__))
