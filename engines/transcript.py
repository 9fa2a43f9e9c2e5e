"""The vocabulary of a transcript. Times are seconds from the start of the recording."""

from __future__ import annotations

from dataclasses import dataclass, field

# Of a field that is left out of a record if it is empty: it costs nothing there, and the first version, which refuses
# fields it does not know, reads the record.
SPARSE = {"sparse": True}


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word, with the space that precedes it in the text."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The log probability of one token. bytes: of its text in UTF-8; a character may lie in several tokens."""

    bytes: tuple[int, ...]
    logprob: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech as people breathe it: a sentence, or a part of one.

    `avg_logprob`, `no_speech_prob` and `temperature` are those of the window the segment was decoded in;
    `compression_ratio` and `tokens` are its own text's. `seek` is the window's start in frames of 10 ms. `logprobs` are
    those of `tokens` if they were asked for and the engine knows them.
    """

    id: int
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    seek: int
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: tuple[Word, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = field(default=(), metadata=SPARSE)


@dataclass(frozen=True, slots=True)
class TranscriptWarning:
    """Something the reader of a transcript should know, though it is no error."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole recording in words. `duration` is what was decoded, in seconds; `language` is ISO 639-1."""

    task: str
    language: str
    language_probability: float
    duration: float
    model: str
    engine: str
    segments: tuple[Segment, ...]
    warnings: tuple[TranscriptWarning, ...] = field(default=())

    @property
    def known_language(self) -> str | None:
        """What was spoken; None if nobody spoke and the caller did not say."""
        return self.language if self.language_probability > 0 else None

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)
