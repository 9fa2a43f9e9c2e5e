"""Transcripts in OpenAI's JSON, whole and streamed. Times are seconds from the start of the recording."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, RootModel

from api.schema.answer import Absent, Answer, Share
from api.schema.service import Error

SPEAKER = "Who says it, if speakers were told apart: their name, or `A`, `B`, …"


class DurationUsage(Answer):
    type: Literal["duration"]
    seconds: int = Field(description="The recording's length, rounded up")


class TranscriptWarning(Answer):
    """The transcript is there; this is what is to be known about it."""

    code: str = Field(description="`truncated_input`, `damaged_input`")
    message: str


class LanguageCode(Answer):
    code: str = Field(description="ISO 639-1")


class TokenLogprob(Answer):
    token: str = Field(description="Its text, or what of it is whole characters")
    logprob: float
    bytes: list[int] = Field(description="Its text in UTF-8")


class TextSegment(Answer):
    """A stretch of text and its time, in seconds from the start of the recording."""

    id: int
    start: float
    end: float
    text: str
    speaker: str | Absent = Field(None, description=SPEAKER)


class TranscriptJson(Answer):
    """`response_format=json`."""

    text: str
    languages: list[LanguageCode] | Absent = Field(None, description="What was spoken; not of translations")
    logprobs: list[TokenLogprob] | Absent = Field(None, description="With `include[]=logprobs`, if the engine has them")
    segments: list[TextSegment] | Absent = Field(None, description="If `segments` asks for them")
    usage: DurationUsage | Absent = Field(None, description="Not of translations")


class SegmentWord(Answer):
    word: str
    start: float
    end: float
    probability: Share = Field(description="How sure the model is of it")
    speaker: str | Absent = Field(None, description=SPEAKER)


class TranscriptSegment(Answer):
    """A sentence or a part of one. The probabilities and the temperature are those of the window it was decoded in."""

    id: int = Field(description="Its number in the transcript, from 0")
    seek: int = Field(description="Start of the window, in hundredths of a second")
    start: float = Field(description="Seconds from the start of the recording")
    end: float = Field(description="Likewise")
    text: str = Field(description="With the space that precedes it")
    tokens: list[int] = Field(description="Of the text, as Whisper's tokenizer numbers them")
    temperature: float = Field(description="At which its window was decoded")
    avg_logprob: float = Field(description="Mean log probability of its window's tokens")
    compression_ratio: float = Field(description="Of the text by gzip; high if it repeats itself")
    no_speech_prob: float = Field(description="Probability that nobody speaks in its window")
    words: list[SegmentWord] | Absent = Field(None, description="With the granularities `word` and `segment`")
    speaker: str | Absent = Field(None, description=SPEAKER)


class TranscriptCorrection(Answer):
    """After a correction."""

    revision: str = Field(description="Of the corrected transcript; its ETag")
    segments: list[TranscriptSegment] = Field(description="Those that were sent, as they are now")


class Word(Answer):
    word: str
    start: float
    end: float
    speaker: str | Absent = Field(None, description=SPEAKER)


class TranscriptVerbose(Answer):
    """`response_format=verbose_json`."""

    task: Literal["transcribe", "translate"]
    language: str = Field(description="The text's language, as a lowercase English name")
    language_code: str = Field(description="Its ISO 639-1 code")
    language_probability: Share | Absent = Field(None, description="How sure the model is; of transcriptions")
    source_language: str | Absent = Field(None, description="What was spoken; of translations")
    source_language_code: str | Absent = Field(None, description="Its ISO 639-1 code; of translations")
    source_language_probability: Share | Absent = Field(None, description="Of translations")
    duration: float = Field(description="Seconds of audio that were decoded")
    text: str = Field(description="The whole text")
    segments: list[TranscriptSegment] | Absent = Field(None, description="With the granularity `segment`")
    words: list[Word] | Absent = Field(None, description="With the granularity `word`; not of translations")
    usage: DurationUsage | Absent = Field(None, description="Not of translations")
    warnings: list[TranscriptWarning] | Absent = Field(None, description="If there are any")


class DiarizedSegment(Answer):
    """A stretch of speech of one speaker."""

    type: Literal["transcript.text.segment"]
    id: str = Field(description="`seg_0`, `seg_1`, …")
    start: float
    end: float
    text: str
    speaker: str = Field(description="A known speaker's name, else `A`, `B`, … in order of appearance")


class TranscriptDiarized(Answer):
    """`response_format=diarized_json`."""

    task: Literal["transcribe"]
    duration: float = Field(description="Seconds of audio that were decoded")
    text: str = Field(description="The whole text")
    segments: list[DiarizedSegment]
    usage: DurationUsage


class Transcript(RootModel[TranscriptVerbose | TranscriptDiarized | TranscriptJson]):
    """As `response_format` or `format` asks for it."""

    # Generated clients try these in order, and the last would take the others for one of its own.


class InputTokenDetails(Answer):
    audio_tokens: int
    text_tokens: int


class TokenUsage(Answer):
    type: Literal["tokens"]
    input_tokens: int = Field(description="Positions of Whisper's encoder, 50 a second")
    input_token_details: InputTokenDetails
    output_tokens: int
    total_tokens: int


class TranscriptTextDelta(Answer):
    """A piece of text as it comes; put together, the pieces are the whole text."""

    type: Literal["transcript.text.delta"]
    delta: str
    segment_id: str | Absent = Field(None, description="With `diarized_json`: of the segment it belongs to")


class TranscriptTextSegment(DiarizedSegment):
    """With `diarized_json`, for each segment. Its speaker is told as far as the recording was heard; a job's transcript
    has them as they are in the end."""


class TranscriptTextDone(Answer):
    """The last event but for `[DONE]`."""

    type: Literal["transcript.text.done"]
    text: str
    languages: list[LanguageCode]
    logprobs: list[TokenLogprob] | Absent = Field(None, description="With `include[]=logprobs`, if the engine has them")
    usage: TokenUsage | Absent = Field(None, description="Not of translations")


class TranscriptStreamEvent(RootModel[TranscriptTextDelta | TranscriptTextSegment | TranscriptTextDone | Error]):
    """The JSON of each `data:` line but the last, which is `[DONE]`. A failure ends the stream with an error."""
