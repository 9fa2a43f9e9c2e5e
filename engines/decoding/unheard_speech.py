"""Speech of a window that its text passes over: a phrase said so often that the model takes it for noise, a sentence
in a bad moment of the line.

The text does not show it, but the alignment does: it gives that sound to the words beside it, which get longer than
words can be, or leaves it without any. Decoded again alone, it is heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from engines.base import SAMPLE_RATE, Attempt, Piece, Window, WindowResult
from engines.text.segments import compression_ratio
from engines.text.word_times import longest
from engines.transcript import Word

MIN_UNHEARD = 2.0  # seconds of speech beyond what the words around it can be
MIN_SHARE = 0.5  # seconds of it that a word has at least, to be beside it
REST = 0.5  # seconds that a word's sound may go on behind its aligned end, before a pause
MIN_LOGPROB = -0.8  # of what is heard the second time: a guess is worse than nothing


@dataclass(frozen=True, slots=True)
class Unheard:
    """Speech from `start` to `end`, in seconds of the window. Alignment gave it to the words [first, last).

    begins: where these words are said, after a pause behind the stretch; None: somewhere in it, if there are any.
    """

    start: float
    end: float
    first: int
    last: int
    begins: float | None = None


def unheard(window: Window, words: Sequence[Word]) -> Unheard | None:
    """The longest such stretch, or None. words: as aligned, in seconds of the window. Nothing is known of a window that
    was cut without voice activity, nor of a translation, whose words are not said one by one."""
    if not words or not window.options.listening.voice_activity or window.options.task != "transcribe":
        return None
    found = list(_stretches(window, words))
    seconds, stretch = max(found, key=lambda row: row[0])
    return _from_a_pause(window, stretch) if seconds >= MIN_UNHEARD else None


def alone(window: Window, stretch: Unheard, language: str | None) -> Window:
    """The stretch as a window of its own, to be decoded in the language, or in the one that is heard there."""
    first, last = (round(edge * SAMPLE_RATE) for edge in (stretch.start, stretch.end))
    spans = [(max(start, stretch.start), min(end, stretch.end)) for start, end in window.speech]
    return replace(
        window,
        samples=window.samples[first:last],
        pieces=tuple(_pieces(window.pieces, first, last)),
        speech=tuple((start - stretch.start, end - stretch.start) for start, end in spans if start < end),
        options=replace(window.options, language=language),
        attempt=Attempt(),
    )


def is_believable(heard: WindowResult) -> bool:
    return bool(heard.words) and heard.avg_logprob >= MIN_LOGPROB


def with_heard(result: WindowResult, stretch: Unheard, heard: WindowResult) -> WindowResult:
    """The result with what was heard in the stretch, if that is believable, and its own words out of it."""
    moved = [replace(word, start=word.start + stretch.start, end=word.end + stretch.start) for word in heard.words]
    own, own_tokens = list(_after(result.words, stretch)), result.word_tokens[stretch.first : stretch.last]
    new, new_tokens = (moved, heard.word_tokens) if is_believable(heard) else ([], ())
    if stretch.begins is None and len(new) > len(own):
        own, own_tokens = [], ()
    elif stretch.begins is None:
        return result
    words = (*result.words[: stretch.first], *new, *own, *result.words[stretch.last :])
    tokens = (*result.word_tokens[: stretch.first], *new_tokens, *own_tokens, *result.word_tokens[stretch.last :])
    text = "".join(word.text for word in words)
    share = len(heard.tokens) / (len(heard.tokens) + len(result.tokens)) if new else 0.0
    return replace(
        result,
        text=text,
        tokens=tuple(token for row in tokens for token in row),
        words=words,
        word_tokens=tokens,
        avg_logprob=result.avg_logprob * (1 - share) + heard.avg_logprob * share,
        compression_ratio=compression_ratio(text),
    )


def _after(words: Sequence[Word], stretch: Unheard) -> Iterator[Word]:
    """The words that the stretch was given to, evenly between its end and theirs."""
    own = words[stretch.first : stretch.last]
    if stretch.begins is None:
        yield from own
        return
    each = (own[-1].end - stretch.begins) / len(own)
    for number, word in enumerate(own):
        start = stretch.begins + number * each
        yield replace(word, start=start, end=start + each)


def _stretches(window: Window, words: Sequence[Word]) -> Iterator[tuple[float, Unheard]]:
    """Each run of words that have more speech than they can be, and what is behind the last word, with the seconds that
    are too much."""
    ends = [0.0, *(word.end for word in words)]
    excess = [_spoken(window, ends[at], word.end) - longest(word) for at, word in enumerate(words)]
    for is_run, numbers in groupby(range(len(words)), key=lambda at: excess[at] >= MIN_SHARE):
        run = list(numbers)
        first, last = run[0], run[-1] + 1
        if is_run:
            stretch = _before_the_words(window, words[first:last], Unheard(ends[first], ends[last], first, last))
            yield sum(excess[first:last]), stretch
    yield _spoken(window, ends[-1], window.seconds), Unheard(ends[-1], window.seconds, len(words), len(words))


def _from_a_pause(window: Window, stretch: Unheard) -> Unheard:
    """Without the rest of the word before."""
    for (_, stop), (start, _) in pairwise(window.speech):
        if stretch.start <= stop <= stretch.start + REST:
            return replace(stretch, start=(stop + start) / 2)
    return stretch


def _before_the_words(window: Window, words: Sequence[Word], stretch: Unheard) -> Unheard:
    """The stretch up to the last pause before its end, if what follows is as long as its words may be."""
    most = sum(longest(word) for word in words)
    edges = [(stop, start) for (_, stop), (start, _) in pairwise(window.speech) if stretch.start < stop < stretch.end]
    for stop, start in reversed(edges):
        if start < stretch.end <= start + most:
            return replace(stretch, end=(stop + start) / 2, begins=start)
    return stretch


def _spoken(window: Window, start: float, end: float) -> float:
    """Seconds of speech between two moments of the window."""
    return sum(max(0.0, min(end, stop) - max(start, begin)) for begin, stop in window.speech)


def _pieces(pieces: Sequence[Piece], first: int, last: int) -> Iterator[Piece]:
    for piece in pieces:
        begin, end = max(piece.target, first), min(piece.target + piece.length, last)
        if begin < end:
            yield Piece(piece.source + begin - piece.target, begin - first, end - begin)
