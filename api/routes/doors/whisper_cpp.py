"""The API of whisper.cpp's server: a form, and answers without a time limit."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.answers.formats import render
from api.http.access import Owner
from api.http.errors import ApiError, shaped
from api.http.fields import Fields
from api.intake.uploads import Dialect, Pairs
from api.routes.audio import awaited
from api.routes.submission import Submitter, submit
from api.state import AppStateDep
from engines.languages import LANGUAGES
from engines.transcript import Segment, Transcript
from worker.store.records import JobRequest

FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
_SAME = ("language", "prompt", "temperature", "model")
_TRUE = ("true", "1", "yes", "y")  # as that server reads them; anything else is no


def _in_its_shape(error: ApiError) -> dict[str, Any]:
    return {"error": error.message}


router = APIRouter(include_in_schema=False, dependencies=[Depends(shaped(_in_its_shape))])


@router.post("/inference")
async def inference(request: Request, service: AppStateDep, owner: Owner) -> Response:
    """A transcript in `response_format`."""
    with service.open_answers.held(owner):
        job = await submit(request, service, "job", Submitter(owner, waits=True), INFERENCE)
        transcript = await awaited(request, service, job, None)
    return await run_in_threadpool(_answer, job, transcript)


def _own(pairs: Pairs) -> Pairs:
    """The form in our words. Fields of how that engine searches have none here, and are ignored."""
    sent = Fields(pairs)
    response_format = (sent.one("response_format") or "json").strip().lower()
    if response_format not in FORMATS:
        message = f"'{response_format[:100]}' is no 'response_format'; it is one of {', '.join(FORMATS)}."
        raise ApiError("invalid_value", message, param="response_format")
    fields = [("response_format", response_format)]
    fields += [(name, value) for name in _SAME if (value := sent.one(name)) is not None]
    translates = _is_true(sent, "translate")
    if translates:
        fields.append(("task", "translate"))
    elif response_format == "verbose_json":
        fields += [("timestamp_granularities", "segment"), ("timestamp_granularities", "word")]
    if _is_true(sent, "diarize") or _is_true(sent, "tinydiarize"):
        fields.append(("diarize", "true"))
    return tuple(fields)


INFERENCE = Dialect(has_urls=False, own=_own)


def _is_true(sent: Fields, name: str) -> bool:
    return (sent.one(name) or "").strip().lower() in _TRUE


def _answer(job: JobRequest, transcript: Transcript) -> Response:
    rendered = render(transcript, job.response_format, job.granularities, job.layout, job.filename)
    body = rendered.body
    if job.response_format == "text":
        body = _text(transcript).encode()
    elif job.response_format == "json":
        body = _json({"text": _text(transcript)})
    elif job.response_format == "verbose_json":
        body = _json(_verbose(transcript))
    return Response(body, media_type=None, headers=rendered.headers)


def _text(transcript: Transcript) -> str:
    return "".join(f"{segment.text}\n" for segment in transcript.segments)


def _verbose(transcript: Transcript) -> dict[str, Any]:
    code, probability = transcript.language, round(transcript.language_probability, 4)
    name = LANGUAGES.get(code, code)
    return {
        "task": transcript.task,
        "language": name,
        "duration": round(transcript.duration, 3),
        "text": _text(transcript),
        "segments": [_segment(each) for each in transcript.segments],
        "detected_language": name,
        "detected_language_probability": probability,
        "language_probabilities": {code: probability},
    }


def _segment(segment: Segment) -> dict[str, Any]:
    shown = {
        "id": segment.id,
        "text": segment.text,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "tokens": list(segment.tokens),
        "words": [
            {
                "word": word.text,
                "start": round(word.start, 3),
                "end": round(word.end, 3),
                "t_dtw": -1,
                "probability": round(word.probability, 4),
            }
            for word in segment.words
        ],
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "no_speech_prob": segment.no_speech_prob,
    }
    return {**shown, "speaker": segment.speaker} if segment.speaker else shown


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
