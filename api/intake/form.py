"""The form of the routes that take a recording: each field once, with its type, default, limits and meaning.

What is parsed and refused, what the OpenAPI document says and the table in docs/API.md all follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from api.intake import form_types as kinds
from api.intake.form_types import Lowered, Phrase, Switch, refuse
from api.intake.speakers.references import MAX_REFERENCES, MAX_SECONDS, MIN_SECONDS
from engines.base import Task
from worker.store.records import Priority

Route = Literal["transcription", "translation", "job"]
ROUTES: tuple[Route, ...] = get_args(Route)
SPOKEN: tuple[Route, ...] = ("transcription", "job")  # of what is said, not of its translation

# The fields of `Layout`, of a request and of a transcript's query.
LAYOUT = {
    "max_line_width": "Of `srt` and `vtt`: columns of a line, 42 if neither it nor the words of a line are given. "
    "Chinese and Japanese signs take two",
    "max_line_count": "Of `srt` and `vtt`: lines of a cue. 2; with `max_words_per_line` alone 1",
    "max_words_per_line": "Of `srt` and `vtt`: words of a line, instead of a width; without effect beside one",
    "highlight_words": "Of `srt` and `vtt`: underline each word while it is said",
    "timestamps": "Of `text`: a line for each segment or paragraph, with its time before it",
    "paragraphs": "Of `text`: a new paragraph after each pause",
    "segments": "Of `json`: with `segments`, each with its times",
}


@dataclass(frozen=True, slots=True)
class Use:
    """Where a field means what.

    routes: those that have it; others take no notice of it. ignored: those that check it and do without. body: whether
    it is a part of a form, a parameter beside a recording that is the body itself, or either.
    """

    routes: tuple[Route, ...] = ROUTES
    ignored: tuple[Route, ...] = ()
    body: Literal["form", "query", "either"] = "either"


class Form(BaseModel):
    """POST /v1/audio/transcriptions, /v1/audio/translations and /v1/jobs. `Fields` has the spellings of lists."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    # Its bytes go to the store as they come, and never through here.
    file: Annotated[kinds.File, Use(body="form")] = Field(
        b"", description="The recording: audio, or video with sound, in any format ffmpeg reads; or `url`"
    )
    url: Annotated[kinds.SourceUrl | None, Use()] = Field(
        None, description="Where the recording is, instead of `file`: http or https; the server fetches it"
    )
    filename: Annotated[str | None, Use(("job",), body="query")] = Field(
        None, description="The recording's name, for display; also as `file_name`, or in `Content-Disposition`"
    )
    model: Annotated[kinds.Name | None, Use()] = Field(
        None, description="One of GET /v1/models; missing, `whisper-1` and the `gpt-*` names: the server's default"
    )
    task: Annotated[Task, Lowered, Use(("job",))] = Field(
        "transcribe", description="`translate` gives the words in English"
    )
    language: Annotated[kinds.Language, Use()] = Field(
        None,
        description="Spoken language: an ISO 639-1 code, with a region or without (`pt-BR`), or an English name; "
        "missing or `auto`: it is detected",
    )
    languages: Annotated[kinds.Languages, Use()] = Field(
        (), description="Candidates for the detection, instead of all languages"
    )
    multilingual: Annotated[Switch, Use()] = Field(False, description="The language changes within the recording")
    prompt: Annotated[Phrase | None, Use()] = Field(
        None, description="Text that precedes the speech, for spelling and style; the last 224 tokens count"
    )
    hotwords: Annotated[Phrase | None, Use()] = Field(None, description="Phrases to expect, as one text")
    keywords: Annotated[tuple[str, ...], Use()] = Field(
        (), description=f"Phrases to expect; with `hotwords` {kinds.MAX_PROMPT} characters in all"
    )
    temperature: Annotated[kinds.Temperature, Use()] = Field(
        0.0, description="0: beam search, and raised in steps for windows that fail Whisper's checks"
    )
    response_format: Annotated[kinds.Format, Use()] = Field(
        "json", description="Format of the transcript; a job's transcript can be fetched in any"
    )
    timestamp_granularities: Annotated[kinds.Granularities, Use(ignored=("translation",))] = Field(
        (), description="Which times `verbose_json` has; `segment` if it is missing. Translations have no `word`"
    )
    max_line_width: Annotated[kinds.LineWidth, Use()] = Field(None, description=LAYOUT["max_line_width"])
    max_line_count: Annotated[kinds.LineCount, Use()] = Field(None, description=LAYOUT["max_line_count"])
    max_words_per_line: Annotated[kinds.LineCount, Use()] = Field(None, description=LAYOUT["max_words_per_line"])
    highlight_words: Annotated[Switch, Use()] = Field(False, description=LAYOUT["highlight_words"])
    timestamps: Annotated[Switch, Use()] = Field(False, description=LAYOUT["timestamps"])
    paragraphs: Annotated[Switch, Use()] = Field(False, description=LAYOUT["paragraphs"])
    segments: Annotated[Switch, Use()] = Field(False, description=LAYOUT["segments"])
    stream: Annotated[Switch, Use()] = Field(
        False,
        description="Send the text as it comes; without effect on `srt`, `vtt` and `verbose_json`. A job's comes "
        "at its `/events`",
    )
    priority: Annotated[Priority, Lowered, Use()] = Field(
        "batch", description="`interactive` goes first. Of a job, or with `Prefer: respond-async`"
    )
    metadata: Annotated[kinds.Metadata, Use()] = Field(
        {},
        description=f"A JSON object of yours, given back with the job; {kinds.MAX_METADATA} bytes, "
        f"{kinds.MAX_KEYS} keys and {kinds.MAX_DEPTH} levels at most",
    )
    webhook_url: Annotated[kinds.WebhookUrl | None, Use()] = Field(
        None, description="URL to notify when the job has ended. Of a job, or with `Prefer: respond-async`"
    )
    webhook_headers: Annotated[kinds.WebhookHeaders, Use()] = Field(
        {}, description="A JSON object of headers to send along; never shown again"
    )
    webhook_include: Annotated[kinds.WebhookInclude, Use()] = Field(
        (), description="Extra fields in the webhook payload: `text` of any length, `segments`, or both with a comma"
    )
    track: Annotated[kinds.TrackNumber, Use()] = Field(
        None, description="Which sound track to transcribe, from 1. Left out, the one a player would play is chosen"
    )
    vad_filter: Annotated[Switch, Use()] = Field(
        True, description="`false` gives the model all of the recording, not only where voice activity hears speech"
    )
    chunking_strategy: Annotated[kinds.Chunking, Use()] = Field(
        None,
        description="`server_vad` sets what counts as speech (`threshold`), and what is kept before it "
        "(`prefix_padding_ms`) and after it (`silence_duration_ms`)",
    )
    include: Annotated[kinds.Included, Use()] = Field(
        (), description="`logprobs` gives a `json` answer the log probability of each token"
    )
    diarize: Annotated[Switch, Use(SPOKEN)] = Field(
        False,
        description="Tell apart who speaks, in every format of the transcript; `diarized_json` does so by itself",
    )
    num_speakers: Annotated[kinds.SpeakerNumber, Use(SPOKEN)] = Field(
        None, description="How many people speak, if that is known; else they are counted"
    )
    min_speakers: Annotated[kinds.SpeakerNumber, Use(SPOKEN)] = Field(None, description="How many speak at least")
    max_speakers: Annotated[kinds.SpeakerNumber, Use(SPOKEN)] = Field(None, description="How many speak at most")
    known_speaker_names: Annotated[kinds.SpeakerNames, Use(SPOKEN, body="form")] = Field(
        (), description=f"Names of up to {MAX_REFERENCES} people who may speak, each with a reference"
    )
    known_speaker_references: Annotated[kinds.SpeakerReferences, Use(SPOKEN, body="form")] = Field(
        (),
        description=f"Each speaks alone for {MIN_SECONDS:g} to {MAX_SECONDS:g} seconds, in the order of the names: a "
        "recording as a data URL (`data:audio/wav;base64,…`). They are deleted with the recording",
    )

    @field_validator("keywords")
    @classmethod
    def _check_length(cls, keywords: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if len(_joined(info.data.get("hotwords"), keywords)) > kinds.MAX_PROMPT:
            refuse("invalid_value", f"'keywords' and 'hotwords' are longer than {kinds.MAX_PROMPT} characters in all")
        return keywords

    @property
    def phrases(self) -> str | None:
        """Hotwords and keywords as one text."""
        return _joined(self.hotwords, self.keywords) or None


class TranscriptQuery(BaseModel):
    """How GET /v1/jobs/{job_id}/transcript is to write it; what is left out is as the job was sent."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    format: kinds.Format | None = Field(None, description="How the transcript is written")
    timestamp_granularities: kinds.Granularities = Field((), description="The times `verbose_json` has")
    max_line_width: kinds.LineWidth = Field(None, description=LAYOUT["max_line_width"])
    max_line_count: kinds.LineCount = Field(None, description=LAYOUT["max_line_count"])
    max_words_per_line: kinds.LineCount = Field(None, description=LAYOUT["max_words_per_line"])
    highlight_words: Switch | None = Field(None, description=LAYOUT["highlight_words"])
    timestamps: Switch | None = Field(None, description=LAYOUT["timestamps"])
    paragraphs: Switch | None = Field(None, description=LAYOUT["paragraphs"])
    segments: Switch | None = Field(None, description=LAYOUT["segments"])
    original: Switch | None = Field(None, description="As the machine wrote it, without what was corrected since")
    flat_words: Switch | None = Field(
        None,
        description="Of `verbose_json` with segments and words: `false` leaves out the list `words`, as each segment "
        "has its own",
    )
    start: kinds.Seconds = Field(None, description="Leave out what was said before: seconds from the recording's start")
    end: kinds.Seconds = Field(None, description="Leave out what was said after it, likewise")

    @field_validator("end")
    @classmethod
    def _check_order(cls, end: float | None, info: ValidationInfo) -> float | None:
        start = info.data.get("start")
        if end is not None and start is not None and end <= start:
            refuse("invalid_value", f"'end' is later than 'start' ({start:g})")
        return end


def _joined(hotwords: str | None, keywords: tuple[str, ...]) -> str:
    return ", ".join([*filter(None, [hotwords]), *keywords])
