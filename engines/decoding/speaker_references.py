"""The voice of a person who is known before a recording is heard, from a few seconds in which they speak alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.audio.reader import AudioReader, Samples
from engines.base import SAMPLE_RATE
from engines.errors import EmptyAudio, InvalidReference, NoAudioStream, TrackNotFound, UnsupportedMedia
from engines.speakers.diarizer import Diarizer
from engines.speakers.turns import Reference

MIN_SECONDS, MAX_SECONDS = 2.0, 10.0
SLACK = 0.1  # seconds that a codec adds or takes


@dataclass(frozen=True, slots=True)
class KnownSpeaker:
    """path: of a file in which this person speaks alone."""

    name: str
    path: Path


def read_reference(known: KnownSpeaker, diarizer: Diarizer) -> Reference:
    """The person's voiceprint under their name. Raises InvalidReference, which names the person."""
    try:
        return Reference(known.name, diarizer.voiceprint(_samples(known.path)))
    except (InvalidReference, UnsupportedMedia, NoAudioStream, TrackNotFound, EmptyAudio) as error:
        raise InvalidReference(f"The reference of '{known.name}': {error}") from error


def _samples(path: Path) -> Samples:
    blocks, length = [], 0
    with AudioReader(path) as reader:
        for block in reader:
            blocks.append(block)
            length += len(block)
            if length > (MAX_SECONDS + SLACK) * SAMPLE_RATE:
                raise InvalidReference(f"It is longer than {MAX_SECONDS:g} seconds.")
    if length < (MIN_SECONDS - SLACK) * SAMPLE_RATE:
        raise InvalidReference(f"It has {length / SAMPLE_RATE:.1f} seconds; send {MIN_SECONDS:g} to {MAX_SECONDS:g}.")
    return np.concatenate(blocks)
