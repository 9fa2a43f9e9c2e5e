"""A transcript as clients want it: OpenAI's JSON, plain text, subtitles."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from api.answers.cues import cues
from api.answers.words import languages, logprobs, segment_words
from engines.languages import LANGUAGES
from engines.transcript import Segment, Transcript


@dataclass(frozen=True, slots=True)
class Rendered:
    """A response's body, its Content-Type, and the codes of the transcript's warnings."""

    body: bytes
    content_type: str
    warnings: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """Of the response, in any format: `x-whisper-warnings` if there is something to know."""
        headers = {"content-type": self.content_type}
        return {**headers, "x-whisper-warnings": ", ".join(self.warnings)} if self.warnings else headers


def render(transcript: Transcript, response_format: str, granularities: Sequence[str] = ("segment",)) -> Rendered:
    """response_format: json, text, srt, verbose_json or vtt; granularities: of verbose_json."""
    codes = tuple(dict.fromkeys(warning.code for warning in transcript.warnings))
    return replace(_rendered(transcript, response_format, granularities), warnings=codes)


def _rendered(transcript: Transcript, response_format: str, granularities: Sequence[str]) -> Rendered:
    if response_format == "verbose_json":
        return _json(verbose_json(transcript, granularities))
    if response_format == "json":
        return _json(plain_json(transcript))
    renderer, content_type = _TEXTS[response_format]
    return Rendered(renderer(transcript).encode(), content_type)


def plain_json(transcript: Transcript) -> dict[str, Any]:
    spoken = {} if transcript.task == "translate" else {"languages": languages(transcript)}
    return {"text": transcript.text, **spoken, **logprobs(transcript), **_usage(transcript)}


def verbose_json(transcript: Transcript, granularities: Sequence[str]) -> dict[str, Any]:
    answer = {
        "task": transcript.task,
        **_languages(transcript),
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
    }
    if "segment" in granularities:
        answer["segments"] = [_segment(segment) for segment in transcript.segments]
    if "word" in granularities and transcript.task == "transcribe":
        for shown, segment in zip(answer.get("segments", ()), transcript.segments, strict=False):
            shown["words"] = segment_words(segment)
        answer["words"] = [
            {"word": word.text.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
            for word in transcript.words
        ]
    answer |= _usage(transcript)
    if transcript.warnings:
        answer["warnings"] = [{"code": row.code, "message": row.message} for row in transcript.warnings]
    return answer


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


def text(transcript: Transcript) -> str:
    return f"{transcript.text}\n" if transcript.text else ""


def srt(transcript: Transcript) -> str:
    return "".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text.replace('-->', '->')}\n\n"
        for number, (start, end, text) in enumerate(_timed(transcript), start=1)
    )


def vtt(transcript: Transcript) -> str:
    timed = (
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_escaped(text)}\n\n" for start, end, text in _timed(transcript)
    )
    return "WEBVTT\n\n" + "".join(timed)


_TEXTS: dict[str, tuple[Callable[[Transcript], str], str]] = {
    "text": (text, "text/plain; charset=utf-8"),
    "srt": (srt, "application/x-subrip; charset=utf-8"),
    "vtt": (vtt, "text/vtt; charset=utf-8"),
}


def _json(answer: dict[str, Any]) -> Rendered:
    body = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Rendered(body.encode(), "application/json")


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
    }


def _timed(transcript: Transcript) -> Iterator[tuple[int, int, str]]:
    """Start and end in milliseconds and the text of each cue."""
    for cue in cues(transcript):
        start = max(0, round(cue.start * 1000))
        yield start, max(start + 1, round(cue.end * 1000)), "\n".join(cue.lines)


def _clock(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
