"""How right a transcript is: its words against those that were spoken, and its times against when they were."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jiwer

from tests.speech import Sentence

TOLERANCE = 0.3  # seconds


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Errors of a transcript against `words` words that were spoken."""

    substitutions: int
    deletions: int
    insertions: int
    words: int

    @property
    def rate(self) -> float:
        return (self.substitutions + self.deletions + self.insertions) / self.words


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Both texts go through the normaliser of Whisper's published figures: case, punctuation, spelling, numbers."""
    counts = jiwer.process_words(normalised(reference), normalised(hypothesis))
    words = counts.hits + counts.substitutions + counts.deletions
    return WordErrors(counts.substitutions, counts.deletions, counts.insertions, words)


def word_error_rate(reference: str, hypothesis: str) -> float:
    return word_errors(reference, hypothesis).rate


def sentence_starts(
    sentences: Sequence[Sentence], words: Iterable[tuple[str, float]], tolerance: float = TOLERANCE
) -> float:
    """The share of sentences whose start the transcript gives within `tolerance` seconds.

    words: each word of the transcript and its start in seconds. A sentence that was not heard at all is a miss.
    """
    errors = start_errors(sentences, words)
    return sum(error is not None and abs(error) <= tolerance for error in errors) / len(errors)


def start_errors(sentences: Sequence[Sentence], words: Iterable[tuple[str, float]]) -> list[float | None]:
    """For each sentence, how many seconds late the transcript says it begins; None where no word of it was heard.

    It begins with the first of its words that the transcript has, or has another word for.
    """
    spoken = [(token, number) for number, row in enumerate(sentences) for token in _tokens(row.text.split())]
    heard = [(token, start) for word, start in words for token in _tokens([word])]
    if not heard:
        return [None] * len(sentences)
    errors: list[float | None] = [None] * len(sentences)
    for spoken_at, heard_at in _pairs([token for token, _ in spoken], [token for token, _ in heard]):
        number = spoken[spoken_at][1]
        if errors[number] is None:
            errors[number] = heard[heard_at][1] - sentences[number].start
    return errors


@cache
def normalised(text: str) -> str:
    return str(_normaliser()(text))


@cache
def _normaliser() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an escape sequence in the package's source, when it is first compiled
        from whisper_normalizer.english import EnglishTextNormalizer
    return EnglishTextNormalizer()


def _tokens(words: Iterable[str]) -> Iterator[str]:
    """Word by word, on both sides alike: a number of several words stays several, so that each keeps its time."""
    for word in words:
        yield from normalised(word).split()


def _pairs(reference: list[str], hypothesis: list[str]) -> Iterator[tuple[int, int]]:
    """Places in the two texts that belong together, in order: equal words, and one heard for another."""
    alignment = jiwer.process_words(" ".join(reference), " ".join(hypothesis)).alignments[0]
    for chunk in alignment:
        if chunk.type in ("equal", "substitute"):
            yield from zip(
                range(chunk.ref_start_idx, chunk.ref_end_idx),
                range(chunk.hyp_start_idx, chunk.hyp_end_idx),
                strict=True,
            )
