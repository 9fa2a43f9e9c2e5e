"""When words are said: aligned times, held against where somebody speaks.

aligned words ─► without what was said before ─► trimmed to one stretch of speech ─► no longer than a word can be
─► in the recording's time ─► in order
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from engines.base import SAMPLE_RATE, Piece, Window
from engines.transcript import Word

PAUSE_IN_WORD = 0.3  # seconds: a longer silence is between words
MAX_WORD, MAX_LETTER = 1.0, 0.1  # seconds a word may take, and each of its letters on top
ENDS = (".", "?", "!", "。", "？", "！", "…", "।", "؟")

Stretch = tuple[float, float]  # seconds from the window's start


def recording_words(window: Window, words: Sequence[Word], not_before: float) -> list[Word]:
    """The words in the recording's time (seconds), in order, none before `not_before` and none where nobody speaks."""
    stretches = list(_stretches(window))
    placed, before = [], ""
    for word in words:
        is_first = not before or before.endswith(ENDS)
        own = _without_foreign_speech(word, stretches) if is_first else word
        placed.append(_placed(window, _shortened(_voiced(own, stretches), is_first=is_first)))
        before = word.text.strip()
    return _in_order(placed, not_before, window.end)


def longest(word: Word) -> float:
    """Seconds it may take."""
    return MAX_WORD + MAX_LETTER * len(word.text.strip())


def _stretches(window: Window) -> Iterator[Stretch]:
    """Where somebody speaks, piece by piece: what follows a piece in the window may be minutes away."""
    for piece in window.pieces:
        first, last = piece.target / SAMPLE_RATE, (piece.target + piece.length) / SAMPLE_RATE
        for start, end in window.speech:
            if max(start, first) < min(end, last):
                yield max(start, first), min(end, last)


def _without_foreign_speech(word: Word, stretches: Sequence[Stretch]) -> Word:
    """The first word of a sentence from the last stretch of speech that it reaches into, if it is longer than a word
    can be: what was said before and not written down, a greeting in another language for instance, is aligned to it.
    One that is a sentence of its own may as well reach into what follows."""
    touched = [start for start, end in stretches if start < word.end and word.start < end]
    if len(touched) < 2 or word.end - word.start <= longest(word) or word.text.strip().endswith(ENDS):
        return word
    return replace(word, start=max(word.start, touched[-1]))


def _voiced(word: Word, stretches: Sequence[Stretch]) -> Word:
    """The word without the silence that alignment gives it: the first word of a sentence tends to begin in the
    pause before it, the last to end in the pause after, or a little inside the next stretch of speech. A word that
    lies wholly in a pause moves to the stretch that is nearest."""
    if not stretches:
        return word
    heard: list[Stretch] = []
    for start, end in ((max(start, word.start), min(end, word.end)) for start, end in stretches):
        if start >= end:
            continue
        if heard and start - heard[-1][1] < PAUSE_IN_WORD:
            heard[-1] = (heard[-1][0], end)
        else:
            heard.append((start, end))
    if heard:
        start, end = max(heard, key=lambda stretch: stretch[1] - stretch[0])
        return replace(word, start=start, end=end)
    start, end = min(stretches, key=lambda stretch: max(stretch[0] - word.end, word.start - stretch[1]))
    return replace(word, start=min(max(word.start, start), end), end=min(max(word.end, start), end))


def _shortened(word: Word, *, is_first: bool) -> Word:
    """Alignment gives sound without words, a noise say, to the words beside it: to the first of a sentence what comes
    before it, to others what comes after (openai/whisper shortens at the same places, `add_word_timestamps`)."""
    most = longest(word)
    if word.end - word.start <= most:
        return word
    return replace(word, start=word.end - most) if is_first else replace(word, end=word.start + most)


def _placed(window: Window, word: Word) -> Word:
    """A word lies in one piece: the one that its middle is in."""
    middle = (word.start + word.end) / 2 * SAMPLE_RATE
    piece = max((piece for piece in window.pieces if piece.target <= middle), key=_target, default=window.pieces[0])
    first, last = piece.target / SAMPLE_RATE, (piece.target + piece.length) / SAMPLE_RATE
    start, end = (piece.source / SAMPLE_RATE + min(max(edge, first), last) - first for edge in (word.start, word.end))
    return replace(word, start=start, end=end)


def _target(piece: Piece) -> int:
    return piece.target


def _in_order(words: Sequence[Word], low: float, high: float) -> list[Word]:
    ordered = []
    for word in words:
        start = min(max(word.start, low), high)
        low = end = min(max(word.end, start), high)
        ordered.append(replace(word, start=round(start, 3), end=round(end, 3)))
    return ordered
