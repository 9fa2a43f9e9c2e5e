"""When the words of a corrected segment are said: those that stayed keep their times, the others share what is left.

Good mourning and well come    to        equal words keep their times; a replaced run shares the span of what
Good morning  and welcome back to        it replaces by length; what is inserted shares the gap it stands in
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from engines.text.unspaced import is_unspaced
from engines.transcript import Segment, Word

MAX_PAIRS = 100_000  # of units that are compared, which takes some 20 ms
SURE = 1.0  # the probability of a word that a person wrote


@dataclass(frozen=True, slots=True)
class _Unit:
    """A word, or a sign of a script without spaces, with its time. word: its number among the segment's words."""

    text: str
    start: float
    end: float
    word: int


def aligned(segment: Segment, text: str) -> Segment:
    """The segment with another text, and words of it with times within the segment. text: without space around it."""
    lead = segment.text[: len(segment.text) - len(segment.text.lstrip())]
    whole = lead + text if text else ""
    changed = replace(segment, text=whole, tokens=(), logprobs=(), words=())
    if not segment.words or not text:
        return changed
    old = list(_timed(segment.words))
    new = units(whole)
    words = [word for run in _runs(old, new) for word in _words(segment, old, new, run)]
    return replace(changed, words=tuple(words))


def units(text: str) -> list[str]:
    """What words are aligned by, each with the space before it; together they are the text."""
    found: list[str] = []
    kind = ""  # of the last unit: `bare` as long as it has only space and marks, `word`, or `sign` if it is one
    for sign in text:
        is_mark = sign.isspace() or unicodedata.category(sign)[0] in "MP"
        its_kind = "bare" if is_mark else "sign" if is_unspaced(sign) else "word"
        begins = not found or (sign.isspace() and found[-1].strip())
        if not begins and (is_mark or kind == "bare" or kind == its_kind == "word"):
            found[-1] += sign
        else:
            found.append(sign)
            kind = its_kind
        kind = kind if is_mark else its_kind
    return found


def _timed(words: Sequence[Word]) -> Iterator[_Unit]:
    """The units of each word share its time by length."""
    for number, word in enumerate(words):
        parts = units(word.text)
        for part, (start, end) in zip(parts, _shared(parts, word.start, word.end), strict=True):
            yield _Unit(part, start, end, number)


def _shared(parts: Sequence[str], start: float, end: float) -> Iterator[tuple[float, float]]:
    lengths = [max(1, len(part.strip())) for part in parts]
    total, before = sum(lengths), 0
    for length in lengths:
        yield start + (end - start) * before / total, start + (end - start) * (before + length) / total
        before += length


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch of units before and after: old[a:b] became new[c:d]. is_equal: unit for unit."""

    a: int
    b: int
    c: int
    d: int
    is_equal: bool


def _runs(old: Sequence[_Unit], new: Sequence[str]) -> Iterator[_Run]:
    a = c = 0
    for at, then in [*_common([_key(unit.text) for unit in old], [_key(text) for text in new]), (len(old), len(new))]:
        if then > c:
            yield _Run(a, at, c, then, False)
        if at < len(old):
            yield _Run(at, at + 1, then, then + 1, True)
        a, c = at + 1, then + 1


def _key(text: str) -> str:
    """What makes two units the same word, whatever the case and the marks around it."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in folded if unicodedata.category(sign)[0] not in "PZC") or folded.strip()


def _common(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The longest common subsequence, as pairs of places; of texts too long for that, what they begin and end with."""
    if len(old) * len(new) > MAX_PAIRS:
        return _common_ends(old, new)
    lengths = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for a in range(len(old) - 1, -1, -1):
        row, below = lengths[a], lengths[a + 1]
        for c in range(len(new) - 1, -1, -1):
            row[c] = below[c + 1] + 1 if old[a] == new[c] else max(below[c], row[c + 1])
    pairs: list[tuple[int, int]] = []
    a = c = 0
    while a < len(old) and c < len(new):
        if old[a] == new[c]:
            pairs.append((a, c))
            a, c = a + 1, c + 1
        elif lengths[a + 1][c] >= lengths[a][c + 1]:
            a += 1
        else:
            c += 1
    return pairs


def _common_ends(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    ends = ((len(old) - at, len(new) - at) for at in range(tail, 0, -1))
    return [*((at, at) for at in range(head)), *ends]


def _words(segment: Segment, old: Sequence[_Unit], new: Sequence[str], run: _Run) -> Iterator[Word]:
    texts = new[run.c : run.d]
    if run.is_equal:
        unit = old[run.a]
        said = segment.words[unit.word]
        probability = said.probability if unit.text == texts[0] else SURE
        yield replace(said, text=texts[0], start=_rounded(unit.start), end=_rounded(unit.end), probability=probability)
        return
    start, end = _span(segment, old, run)
    near = segment.words[old[min(run.a, len(old) - 1)].word]
    for text, (begins, ends) in zip(texts, _shared(texts, start, end), strict=True):
        yield Word(text, _rounded(begins), _rounded(ends), SURE, near.speaker)


def _span(segment: Segment, old: Sequence[_Unit], run: _Run) -> tuple[float, float]:
    """Of what is replaced, or the gap between the units on both sides."""
    if run.b > run.a:
        return old[run.a].start, old[run.b - 1].end
    before = old[run.a - 1].end if run.a else min(segment.start, old[0].start)
    after = old[run.a].start if run.a < len(old) else max(segment.end, old[-1].end)
    return before, max(before, after)


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
