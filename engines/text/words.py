"""Decoded tokens put together into words, as openai/whisper's tokenizer does it (`split_to_word_tokens`)."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.text.script_breaks import LEADING, continues
from engines.transcript import Word

UNSPACED = ("zh", "ja", "th", "lo", "my", "yue")  # languages that put no spaces between words
PREPENDED = "\"'“¿([{-"  # belongs to the word after it
APPENDED = "\"'.。,，!！?？:：”)]}、"  # belongs to the word before it


@dataclass(frozen=True, slots=True)
class TimedToken:
    """A token's id, its bytes, from when to when (seconds), and how sure the model was."""

    id: int
    text: bytes
    start: float
    end: float
    probability: float


def words_of(tokens: Sequence[TimedToken], language: str) -> tuple[tuple[Word, ...], tuple[tuple[int, ...], ...]]:
    """The words, with the ids of each one's tokens. Together they are exactly the tokens' text."""
    groups = _with_punctuation([list(group) for group in _groups(tokens, language)])
    return tuple(_word(group) for group in groups), tuple(tuple(token.id for token in group) for group in groups)


def with_whole_signs(
    words: Sequence[Word], word_tokens: Sequence[tuple[int, ...]]
) -> tuple[list[Word], list[tuple[int, ...]]]:
    """The same text, without words that begin or end within a sign that is written with several characters."""
    whole: list[Word] = []
    tokens: list[tuple[int, ...]] = []
    for word, own in zip(words, word_tokens, strict=True):
        if whole and _is_one_sign(whole[-1].text, word.text):
            first, of_first, of_both = whole[-1], len(tokens[-1]), len(tokens[-1]) + len(own)
            mean = (first.probability * of_first + word.probability * len(own)) / max(of_both, 1)
            whole[-1] = replace(first, text=first.text + word.text, end=word.end, probability=mean)
            tokens[-1] += own
        else:
            whole.append(word)
            tokens.append(own)
    return whole, tokens


def _is_one_sign(before: str, after: str) -> bool:
    return bool(before and after) and (continues(after[0]) or before[-1] in LEADING)


def text_of(tokens: Sequence[TimedToken]) -> str:
    """A character may lie in several tokens, so bytes are put together first."""
    return b"".join(token.text for token in tokens).decode("utf-8", errors="replace")


def _groups(tokens: Sequence[TimedToken], language: str) -> list[list[TimedToken]]:
    groups: list[list[TimedToken]] = []
    for unit in _characters(tokens):
        text = text_of(unit)
        begins = language in UNSPACED or text.startswith(" ") or text.strip() in string.punctuation
        if begins or not groups:
            groups.append(unit)
        else:
            groups[-1] += unit
    return groups


def _characters(tokens: Sequence[TimedToken]) -> list[list[TimedToken]]:
    """The fewest tokens that hold whole characters."""
    units: list[list[TimedToken]] = []
    pending: list[TimedToken] = []
    for token in tokens:
        pending.append(token)
        if "\ufffd" not in text_of(pending):
            units.append(pending)
            pending = []
    return [*units, pending] if pending else units


def _with_punctuation(groups: list[list[TimedToken]]) -> list[list[TimedToken]]:
    """Opening marks go to the word after them, closing ones to the word before."""
    opened: list[list[TimedToken]] = []
    for group in groups:
        if opened and text_of(opened[-1]).startswith(" ") and text_of(opened[-1]).strip() in PREPENDED:
            opened[-1] += group
        else:
            opened.append(group)
    merged: list[list[TimedToken]] = []
    for group in opened:
        if merged and text_of(group) in APPENDED and not text_of(merged[-1]).endswith(" "):
            merged[-1] += group
        else:
            merged.append(group)
    return merged


def _word(group: Sequence[TimedToken]) -> Word:
    """A mark has no time of its own: the word ends where its last letter does."""
    spoken = [token for token in group if token.text.decode("utf-8", "replace").strip() not in string.punctuation]
    timed = spoken or list(group)
    return Word(
        text=text_of(group),
        start=timed[0].start,
        end=timed[-1].end,
        probability=sum(token.probability for token in timed) / len(timed),
    )
