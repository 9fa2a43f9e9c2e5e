"""Cuts a window's words into segments: at sentence ends and where people breathe."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from engines.base import SAMPLE_RATE, Window, WindowResult
from engines.text.logprobs import slices
from engines.text.script_breaks import break_numbers
from engines.text.sentences import sentence_ends
from engines.text.word_times import recording_words
from engines.text.words import UNSPACED, with_whole_signs
from engines.transcript import Segment, Word

CLAUSE_ENDS = (",", ";", ":", "，", "、", "；", "：", "،")
BREATH = 0.9  # seconds between two words after which a new segment begins
LONG = 6.0  # seconds after which a clause's end will do
MAX_SECONDS = 12.0  # seconds after which the end of any word will do


def _no_change(_before: Word, _after: Word) -> bool:
    return False


def segments_of(
    window: Window,
    result: WindowResult,
    first_id: int,
    not_before: float,
    is_change: Callable[[Word, Word], bool] = _no_change,
) -> list[Segment]:
    """The window's segments in the recording's time, numbered from `first_id`.

    Without words there is one segment for the window. Nothing begins before `not_before` (seconds), the end of
    the previous window's last word, so times never run backwards. is_change: whether the second of two words, in the
    recording's time, is another person's and begins a segment for that.
    """
    if not result.text.strip():
        return []
    if not result.words:
        whole = _segment(window, result, result.text, result.tokens, (window.start, window.end))
        return [replace(whole, id=first_id)]
    decoded, word_tokens = with_whole_signs(result.words, result.word_tokens)
    words = recording_words(window, decoded, not_before)
    segments: list[Segment] = []
    logprobs = slices(result.logprobs, map(len, word_tokens))
    for start, end in _lasting(words, _cuts(words, result.language, is_change)):
        text = "".join(word.text for word in words[start:end])
        tokens = tuple(token for of_word in word_tokens[start:end] for token in of_word)
        segment = _segment(window, result, text, tokens, (words[start].start, words[end - 1].end))
        known = tuple(each for of_word in logprobs[start:end] for each in of_word)
        segments.append(replace(segment, id=first_id + len(segments), words=tuple(words[start:end]), logprobs=known))
    return segments


def compression_ratio(text: str) -> float:
    """How much the text repeats itself, as Whisper measures it: bytes by zlib-compressed bytes."""
    data = text.strip().encode()
    return len(data) / len(zlib.compress(data))


def _cuts(words: Sequence[Word], language: str, is_change: Callable[[Word, Word], bool]) -> Iterator[tuple[int, int]]:
    sentences, breaks, start = sentence_ends(words, language), break_numbers(words, language), 0
    for at in range(1, len(words) + 1):
        is_end = at == len(words) or at - 1 in sentences or words[at].start - words[at - 1].end >= BREATH
        is_end = is_end or is_change(words[at - 1], words[at])
        if is_end or (at in breaks and _is_enough(words[start], words[at - 1], words[at], language)):
            yield start, at
            start = at


def _lasting(words: Sequence[Word], cuts: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Alignment puts words at the window's very end if the model says more than there is sound for: no cue shows for
    no time, so they belong to what is before them, or after."""
    found: list[tuple[int, int]] = []
    for start, end in cuts:
        is_near = bool(found) and words[start].start - words[start - 1].end < BREATH
        if is_near and (_is_instant(words, start, end) or _is_instant(words, *found[-1])):
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _is_instant(words: Sequence[Word], start: int, end: int) -> bool:
    return words[start].start >= words[end - 1].end


def _is_enough(first: Word, last: Word, following: Word, language: str) -> bool:
    text, seconds = last.text.rstrip("\"'”’)»"), last.end - first.start
    is_clause = text.endswith(CLAUSE_ENDS) or (language in UNSPACED and following.text.startswith(" "))
    return seconds >= MAX_SECONDS or (seconds >= LONG and is_clause)


def _segment(
    window: Window, result: WindowResult, text: str, tokens: tuple[int, ...], span: tuple[float, float]
) -> Segment:
    return Segment(
        id=0,
        start=round(span[0], 3),
        end=round(span[1], 3),
        text=text,
        tokens=tokens,
        seek=window.pieces[0].source * 100 // SAMPLE_RATE,
        temperature=result.temperature,
        avg_logprob=result.avg_logprob,
        compression_ratio=compression_ratio(text),
        no_speech_prob=result.no_speech_prob,
    )
