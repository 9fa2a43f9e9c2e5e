"""The API of whisper-asr-webservice, as Bazarr, Speakr and keyboards of phones call it.

Options stand in the query; every answer is text, JSON too. A client may wait for hours: its answer has no time limit.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from api.answers.formats import render
from api.http.access import Owner
from api.http.errors import ApiError, shaped
from api.http.fields import Fields
from api.intake.uploads import Dialect, Pairs
from api.routes.audio import awaited
from api.routes.submission import Submitter, submit
from api.state import AppState, AppStateDep
from engines.base import SAMPLE_RATE
from engines.languages import LANGUAGES
from engines.transcript import Segment, Transcript
from worker.store.records import JobRequest

OUTPUTS = {"txt": "text", "vtt": "vtt", "srt": "srt", "tsv": "tsv", "json": "verbose_json"}  # its formats in our words
NAMES = {ours: theirs for theirs, ours in OUTPUTS.items()}
_SAME = ("task", "language", "vad_filter", "hotwords", "model")
_COUNTS = ("min_speakers", "max_speakers")  # clients send them whether they want speakers or not
_READ = frozenset(
    {
        *_SAME,
        *_COUNTS,
        "encode",
        "initial_prompt",
        "word_timestamps",
        "output",
        "video_file",
        "diarize",
        "enable_diarization",
    }
)
_TRUE, _FALSE = ("true", "1", "yes", "on", "t", "y"), ("false", "0", "no", "off", "f", "n")
# What begins like this has a header of its own, whatever `encode` says.
_CONTAINERS = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"\x1aE\xdf\xa3")


def _in_its_shape(error: ApiError) -> dict[str, Any]:
    """As FastAPI, which that server is made with, has it."""
    return {"detail": error.message}


router = APIRouter(include_in_schema=False, dependencies=[Depends(shaped(_in_its_shape))])


@router.post("/asr")
async def asr(request: Request, service: AppStateDep, owner: Owner) -> Response:
    """A transcript in the format `output`."""
    job, transcript = await _heard(request, service, owner, ASR)
    return await run_in_threadpool(_answer, job, transcript, NAMES[job.response_format])


@router.post("/detect-language")
async def detect_language(request: Request, service: AppStateDep, owner: Owner) -> JSONResponse:
    """What is spoken: the recording is decoded until that is known."""
    _, transcript = await _heard(request, service, owner, DETECTION, only_language=True)
    code = transcript.language
    confidence = round(transcript.language_probability, 4)
    return JSONResponse(
        {"detected_language": LANGUAGES.get(code, code), "language_code": code, "confidence": confidence}
    )


async def _heard(
    request: Request, service: AppState, owner: str, dialect: Dialect, *, only_language: bool = False
) -> tuple[JobRequest, Transcript]:
    with service.open_answers.held(owner):
        caller = Submitter(owner, waits=True)
        job = await submit(request, service, "job", caller, dialect, only_language=only_language)
        return job, await awaited(request, service, job, None)


def _own(pairs: Pairs) -> Pairs:
    """The options in our words."""
    sent = Fields(pairs)
    output, task = _output(sent), sent.one("task") or "transcribe"
    fields = [("response_format", OUTPUTS[output])]
    fields += [(name, value) for name in _SAME if (value := sent.one(name)) is not None]
    if prompt := sent.one("initial_prompt"):
        fields.append(("prompt", prompt))
    if output == "json" and task != "translate" and _switch(sent, "word_timestamps"):
        fields += [("timestamp_granularities", "segment"), ("timestamp_granularities", "word")]
    if _switch(sent, "diarize") or _switch(sent, "enable_diarization"):
        fields += [("diarize", "true"), *((name, value) for name in _COUNTS if (value := sent.one(name)) is not None)]
    return tuple(fields)


def _output(sent: Fields) -> str:
    output = (sent.one("output") or "txt").strip().lower()
    if output not in OUTPUTS:
        message = f"'{output[:100]}' is no 'output'; it is one of {', '.join(OUTPUTS)}."
        raise ApiError("invalid_value", message, param="output")
    return output


def _switch(sent: Fields, name: str, *, otherwise: bool = False) -> bool:
    text = (sent.one(name) or "").strip().lower()
    if text not in (*_TRUE, *_FALSE, ""):
        raise ApiError("invalid_value", f"'{name}' is true or false.", param=name)
    return text in _TRUE if text else otherwise


def _header(query: Pairs, beginning: bytes) -> bytes:
    """With `encode=false` come bare samples, 16 bits, 16 kHz, mono: what has to stand before them to be a WAV file. It
    says no length, as there is none yet."""
    is_bare = not beginning.startswith(_CONTAINERS) and beginning[4:8] != b"ftyp"
    if _switch(Fields(query), "encode", otherwise=True) or not is_bare:
        return b""
    form = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    return b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(form)) + form + b"data\0\0\0\0"


ASR = Dialect(
    "audio_file",
    _READ,
    has_urls=False,
    own=_own,
    preamble=_header,
    name_field="video_file",
    may_lack_speakers=True,
)
DETECTION = Dialect(
    "audio_file",
    frozenset({"encode", "video_file"}),
    has_urls=False,
    own=lambda pairs: (),
    preamble=_header,
    name_field="video_file",
)


def _answer(job: JobRequest, transcript: Transcript, output: str) -> Response:
    rendered = render(transcript, OUTPUTS[output], ("segment",), job.layout, job.filename)
    own = _body(job, transcript, output)
    body = rendered.body if own is None else own
    headers = {
        **rendered.headers,
        "content-type": "text/plain; charset=utf-8",
        "asr-engine": transcript.engine,
        "content-disposition": f'attachment; filename="{quote(job.filename)}.{output}"',
    }
    return Response(body, media_type=None, headers=headers)


def _body(job: JobRequest, transcript: Transcript, output: str) -> bytes | None:
    """None for the formats that are ours as well."""
    match output:
        case "txt":
            return _txt(transcript).encode()
        case "tsv":
            return _tsv(transcript).encode()
        case "json":
            return _json(transcript, with_words="word" in job.granularities).encode()
    return None


def _txt(transcript: Transcript) -> str:
    return "".join(f"{segment.text.strip()}\n" for segment in transcript.segments)


def _tsv(transcript: Transcript) -> str:
    """Times in whole milliseconds."""
    rows = (
        f"{round(1000 * each.start)}\t{round(1000 * each.end)}\t{' '.join(each.text.split())}\n"
        for each in transcript.segments
    )
    return "start\tend\ttext\n" + "".join(rows)


def _json(transcript: Transcript, *, with_words: bool) -> str:
    """`speaker` stands only where speakers were told apart: Speakr fills gaps by itself."""
    segments = [dict(_fields(each, with_words=with_words)) for each in transcript.segments]
    answer = {"text": transcript.text, "segments": segments, "language": transcript.language}
    return json.dumps(answer, ensure_ascii=False, allow_nan=False)


def _fields(segment: Segment, *, with_words: bool) -> Iterator[tuple[str, Any]]:
    fields = asdict(segment)
    for name in ("id", "seek", "start", "end", "text", "tokens", "avg_logprob", "compression_ratio", "no_speech_prob"):
        yield name, fields[name]
    yield "temperature", segment.temperature
    if segment.speaker:
        yield "speaker", segment.speaker
    if with_words:
        yield "words", [_word(word) for word in fields["words"]]


def _word(word: dict[str, Any]) -> dict[str, Any]:
    shown = {"start": word["start"], "end": word["end"], "word": word["text"], "probability": word["probability"]}
    return {**shown, "speaker": word["speaker"]} if word["speaker"] else shown
