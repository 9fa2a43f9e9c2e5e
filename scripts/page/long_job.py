"""A finished job with a transcript of any length, as if a machine had listened for hours."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import replace

from engines.transcript import Segment, Transcript, Word
from worker.store.job_store import LocalStore

_TEXT = (
    "the of and to in that is was he for it with as his on be at by had not are but from or have an they which one you "
    "were her all she there would their we him been has when who will more no if out so said what up its about into "
    "than them can only other new some could time these two may then do first any my now such like our over man even "
    "through back years where much before must good people long between another while last against came right"
)
_RATE = 8000  # samples a second of the silent recording


def prolong(store: LocalStore, job_id: str, words: int) -> float:
    """Gives a finished job a transcript of so many words, and a silent recording as long. Returns its seconds."""
    segments = tuple(_segments(words, random.Random(words)))  # noqa: S311 - the same words every time
    duration = segments[-1].end + 1.0
    old, outcome = store.transcript(job_id), store.outcome(job_id)
    if outcome is None:
        raise ValueError(f"{job_id} has not ended")
    store.reopen(job_id)
    store.save_transcript(job_id, _as_long(old, segments, duration))
    store.finish(job_id, replace(outcome, duration=duration))
    _write_silence(str(store.source(job_id)), duration)
    store.playable_target(job_id).touch()  # browsers play it as it is
    return duration


def _as_long(old: Transcript, segments: tuple[Segment, ...], duration: float) -> Transcript:
    return replace(old, segments=segments, duration=duration, warnings=())


def _segments(words: int, chance: random.Random) -> Iterator[Segment]:
    at, left, number = 0.5, words, 0
    while left > 0:
        count = min(left, chance.randint(8, 32))
        spoken = tuple(_words(count, at, chance))
        text = "".join(word.text for word in spoken)
        yield Segment(number, at, spoken[-1].end, text, (), int(at * 100), 0.0, -0.2, 1.3, 0.01, spoken)
        at, left, number = spoken[-1].end + chance.uniform(0.1, 0.8), left - count, number + 1


def _words(count: int, at: float, chance: random.Random) -> Iterator[Word]:
    for position in range(count):
        text = chance.choice(_TEXT.split())
        text = text.capitalize() if position == 0 else text
        end = at + chance.uniform(0.15, 0.5)
        yield Word(f" {text}{'.' if position == count - 1 else ''}", at, end, chance.random() ** 0.15)
        at = end


def _write_silence(path: str, seconds: float) -> None:
    """A wav with a hole in place of samples: it takes no room on disk, and a browser plays it from anywhere."""
    size = int(seconds * _RATE) * 2
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, _RATE, 2 * _RATE, 2, 16, b"data", size
    )
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + size)
