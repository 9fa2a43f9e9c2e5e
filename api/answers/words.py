"""What the answers say of single words and tokens."""

from __future__ import annotations

from typing import Any

from engines.transcript import Segment, TokenLogprob, Transcript, Word


def segment_words(segment: Segment) -> list[dict[str, Any]]:
    """The segment's words, each with how sure the model was of it, and who says it, if that is known."""
    return [_word(word) for word in segment.words]


def _word(word: Word) -> dict[str, Any]:
    shown = {
        "word": word.text.strip(),
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "probability": round(word.probability, 4),
    }
    if word.speaker:
        shown["speaker"] = word.speaker
    return shown


def said_by(part: Segment | Word) -> dict[str, str]:
    """The field `speaker`, if they were told apart."""
    return {"speaker": part.speaker} if part.speaker else {}


def logprobs(transcript: Transcript) -> dict[str, Any]:
    """The field `logprobs`, if they were asked for and are known."""
    found = [_logprob(each) for segment in transcript.segments for each in segment.logprobs]
    return {"logprobs": found} if found else {}


def languages(transcript: Transcript) -> list[dict[str, str]]:
    """What was spoken; empty if nobody spoke."""
    return [{"code": transcript.known_language}] if transcript.known_language else []


def _logprob(known: TokenLogprob) -> dict[str, Any]:
    text = bytes(known.bytes).decode(errors="replace")
    return {"token": text, "logprob": known.logprob, "bytes": list(known.bytes)}
