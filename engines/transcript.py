"""The vocabulary of a transcript. Times are seconds from the start of the recording."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

# Of a field that is left out of a record if it is empty: it costs nothing there, and the first version, which refuses
# fields it does not know, reads the record.
SPARSE = {"sparse": True}


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word, with the space that precedes it in the text. speaker: who says it, if they are told apart."""

    text: str
    start: float
    end: float
    probability: float
    speaker: str = field(default="", metadata=SPARSE)


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
    those of `tokens` if they were asked for and the engine knows them. `speaker` says most of it; empty if speakers are
    not told apart.
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
    speaker: str = field(default="", metadata=SPARSE)

    def named(self, names: Mapping[str, str]) -> Segment:
        """With the names of those who speak in it, by the label of each."""
        words = tuple(replace(word, speaker=names.get(word.speaker, word.speaker)) for word in self.words)
        return replace(self, speaker=names.get(self.speaker, self.speaker), words=words)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks in a recording, and for how many seconds. label: `A`, `B`, … in order of appearance, or the name of a
    speaker who was known before. name: that was given to them since."""

    label: str
    seconds: float
    name: str = field(default="", metadata=SPARSE)

    def named(self, names: Mapping[str, str]) -> Speaker:
        """names: by label."""
        return replace(self, name=names.get(self.label, self.name))


@dataclass(frozen=True, slots=True)
class TranscriptWarning:
    """Something the reader of a transcript should know, though it is no error."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole recording in words. `duration` is what was decoded, in seconds; `language` is ISO 639-1. `speakers` are
    those that were told apart, in order of appearance."""

    task: str
    language: str
    language_probability: float
    duration: float
    model: str
    engine: str
    segments: tuple[Segment, ...]
    warnings: tuple[TranscriptWarning, ...] = field(default=())
    speakers: tuple[Speaker, ...] = field(default=(), metadata=SPARSE)

    def named(self, names: Mapping[str, str]) -> Transcript:
        """With names in place of labels."""
        if not names:
            return self
        segments = tuple(segment.named(names) for segment in self.segments)
        return replace(self, segments=segments, speakers=tuple(speaker.named(names) for speaker in self.speakers))

    def between(self, start: float | None, end: float | None) -> Transcript:
        """Only the segments of which something was said in that time."""
        if start is None and end is None:
            return self
        first, last = start or 0.0, math.inf if end is None else end
        return replace(self, segments=tuple(each for each in self.segments if each.end > first and each.start < last))

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
