"""A transcript as clients want it: OpenAI's JSON, and the files that people open."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from api.answers.renderers.subtitles import srt, vtt
from api.answers.renderers.tables import comma_separated, tab_separated
from api.answers.renderers.text import markdown, text
from api.answers.words import languages, logprobs, said_by, segment_words
from api.schema.responses import DOCX
from engines.languages import LANGUAGES
from engines.transcript import Segment, Transcript
from worker.queue.events import told
from worker.store.records import Layout


@dataclass(frozen=True, slots=True)
class Rendered:
    """A response's body, its Content-Type, how its file's name ends, and the codes of the transcript's warnings."""

    body: bytes
    content_type: str
    extension: str = "json"
    warnings: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """Of the response, in any format: `x-whisper-warnings` if there is something to know."""
        headers = {"content-type": self.content_type}
        return {**headers, "x-whisper-warnings": ", ".join(self.warnings)} if self.warnings else headers


def render(
    transcript: Transcript,
    response_format: str,
    granularities: Sequence[str] = ("segment",),
    layout: Layout = Layout(),
    title: str = "",
    *,
    has_flat_words: bool = True,
) -> Rendered:
    """response_format: one of `ResponseFormat`. granularities: of verbose_json; has_flat_words: whether it lists words
    outside of segments too. title: the recording's name."""
    codes = tuple(dict.fromkeys(warning.code for warning in transcript.warnings))
    if response_format == "verbose_json":
        rendered = _json(verbose_json(transcript, granularities, has_flat_words=has_flat_words))
    else:
        rendered = _rendered(_with_words(transcript), response_format, layout, title)
    return replace(rendered, warnings=codes)


def _with_words(transcript: Transcript) -> Transcript:
    """Without segments of which somebody has taken all words away; only editors want them, which may put them back."""
    if all(segment.text.strip() for segment in transcript.segments):
        return transcript
    return replace(transcript, segments=tuple(each for each in transcript.segments if each.text.strip()))


def _rendered(transcript: Transcript, response_format: str, layout: Layout, title: str) -> Rendered:
    match response_format:
        case "json":
            return _json(plain_json(transcript, layout))
        case "diarized_json":
            return _json(diarized_json(transcript))
        case "srt":
            return _text(srt(transcript, layout), "application/x-subrip", "srt")
        case "vtt":
            return _text(vtt(transcript, layout), "text/vtt", "vtt")
        case "md":
            return _text(markdown(transcript, title), "text/markdown", "md")
        case "csv":
            return _text(comma_separated(transcript), "text/csv", "csv")
        case "tsv":
            return _text(tab_separated(transcript), "text/tab-separated-values", "tsv")
        case "docx":
            from api.answers.renderers.word_document import docx  # not before: its library takes a while to load

            return Rendered(docx(transcript, title), DOCX, "docx")
        case _:
            return _text(text(transcript, layout), "text/plain", "txt")


def plain_json(transcript: Transcript, layout: Layout = Layout()) -> dict[str, Any]:
    answer: dict[str, Any] = {"text": transcript.text}
    if layout.segments:
        answer["segments"] = [{**told(each), "text": each.text.strip()} for each in transcript.segments]
    spoken = {} if transcript.task == "translate" else {"languages": languages(transcript)}
    return {**answer, **spoken, **logprobs(transcript), **_usage(transcript)}


def verbose_json(
    transcript: Transcript, granularities: Sequence[str], *, has_flat_words: bool = True
) -> dict[str, Any]:
    answer = {
        "task": transcript.task,
        **_languages(transcript),
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
    }
    if "segment" in granularities:
        answer["segments"] = verbose_segments(transcript, granularities)
    if "word" in granularities and transcript.task == "transcribe" and has_flat_words:
        answer["words"] = [
            {"word": word.text.strip(), "start": round(word.start, 3), "end": round(word.end, 3), **said_by(word)}
            for word in transcript.words
        ]
    answer |= _usage(transcript)
    if transcript.warnings:
        answer["warnings"] = [{"code": row.code, "message": row.message} for row in transcript.warnings]
    return answer


def verbose_segments(transcript: Transcript, granularities: Sequence[str]) -> list[dict[str, Any]]:
    """The segments of `verbose_json`, with their words if those are asked for too."""
    shown = [_segment(segment) for segment in transcript.segments]
    if "word" in granularities and transcript.task == "transcribe":
        for row, segment in zip(shown, transcript.segments, strict=True):
            row["words"] = segment_words(segment)
    return shown


def diarized_json(transcript: Transcript) -> dict[str, Any]:
    """OpenAI's: the text, and who says each segment of it. Nothing more, so that no client stumbles."""
    return {
        "task": "transcribe",
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
        "segments": [diarized_segment(told(segment)) for segment in transcript.segments if segment.text.strip()],
        **_usage(transcript),
    }


def diarized_segment(segment: Mapping[str, Any]) -> dict[str, Any]:
    """One segment of `diarized_json`, and the event `transcript.text.segment` of a stream. segment: see `told`; a
    speaker who is not known is the first."""
    return {
        "type": "transcript.text.segment",
        "id": segment_id(segment["id"]),
        "start": round(segment["start"], 3),
        "end": round(segment["end"], 3),
        "text": segment["text"].strip(),
        "speaker": segment.get("speaker") or "A",
    }


def segment_id(number: int) -> str:
    """As OpenAI writes them, counted from 0."""
    return f"seg_{number}"


def streamed_done(transcript: Transcript) -> dict[str, Any]:
    """The last event of a streamed transcription. Its audio tokens are the positions Whisper's encoder has for it."""
    audio, spoken = math.ceil(transcript.duration * 50), sum(len(segment.tokens) for segment in transcript.segments)
    usage = {
        "type": "tokens",
        "input_tokens": audio,
        "input_token_details": {"audio_tokens": audio, "text_tokens": 0},
        "output_tokens": spoken,
        "total_tokens": audio + spoken,
    }
    answer = {
        "type": "transcript.text.done",
        "text": transcript.text,
        "languages": languages(transcript),
        **logprobs(transcript),
    }
    return answer if transcript.task == "translate" else {**answer, "usage": usage}


def _json(answer: dict[str, Any]) -> Rendered:
    body = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Rendered(body.encode(), "application/json")


def _text(body: str, kind: str, extension: str) -> Rendered:
    return Rendered(body.encode(), f"{kind}; charset=utf-8", extension)


def _usage(transcript: Transcript) -> dict[str, Any]:
    if transcript.task == "translate":  # OpenAI's translations have none
        return {}
    return {"usage": {"type": "duration", "seconds": math.ceil(transcript.duration)}}


def _languages(transcript: Transcript) -> dict[str, Any]:
    code, probability = transcript.language, round(transcript.language_probability, 4)
    if transcript.task == "translate":  # `language` is that of the text, and Whisper translates into English
        return {
            "language": "english",
            "language_code": "en",
            "source_language": LANGUAGES.get(code, code),
            "source_language_code": code,
            "source_language_probability": probability,
        }
    return {"language": LANGUAGES.get(code, code), "language_code": code, "language_probability": probability}


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "seek": segment.seek,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
        **said_by(segment),
    }
