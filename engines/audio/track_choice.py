"""Which of a file's sound tracks is transcribed: the one a player would play, unless only another one speaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from engines.audio.files.part import Part
from engines.audio.recorded_track import RecordedTrack
from engines.audio.source.chunk import Samples
from engines.audio.source.container import open_container
from engines.audio.source.tracks import Track, in_players_order
from engines.audio.voice_activity import speech_frames
from engines.audio.windows import SPEECH
from engines.errors import EmptyAudio, NoAudioStream, TrackNotFound, UnsupportedMedia

LISTENED = 600.0  # seconds after which a track without speech gives way to one that has some
MIN_SPEECH_FRAMES = 16  # half a second
SILENCE = 1e-5  # of full scale: what never exceeds it is no sound

Check = Callable[[], None]
Found = Literal["nothing", "silence", "sound", "speech"]
_WORTH: tuple[Found, ...] = ("nothing", "silence", "sound", "speech")


def chosen_track(parts: Sequence[Part], tracks: Sequence[Track], wanted: int | None, check: Check) -> Track:
    """wanted: the number a client asked for. check: called now and then; may raise. Raises NoAudioStream,
    TrackNotFound, UnsupportedMedia."""
    if not tracks:
        raise NoAudioStream()
    if wanted is not None:
        return _numbered(tracks, wanted)
    candidates = in_players_order(tracks)
    if not candidates:
        raise UnsupportedMedia(
            "The file's sound is in a format that cannot be decoded. Convert it, to mp3 or wav for instance."
        )
    return candidates[0] if len(candidates) == 1 else _one_that_speaks(parts, candidates, check)


def _numbered(tracks: Sequence[Track], wanted: int) -> Track:
    if wanted > len(tracks):
        raise TrackNotFound(f"The recording has no sound track {wanted}; it has {len(tracks)}. Leave 'track' out.")
    return tracks[wanted - 1]


def _one_that_speaks(parts: Sequence[Part], candidates: Sequence[Track], check: Check) -> Track:
    """The first that speaks early, else the first that speaks at all, else the first that sounds, else the first."""
    for limit in (LISTENED, math.inf):
        heard = []
        for track in candidates:
            found = _heard(parts, track, limit, check)
            if found == "speech":
                return track
            heard.append(found)
    return candidates[heard.index(max(heard, key=_WORTH.index))]


def _heard(parts: Sequence[Part], track: Track, limit: float, check: Check) -> Found:
    """What is in the first `limit` seconds of the track."""
    spoken, peak = 0, 0.0
    try:
        with RecordedTrack(open_container(parts[0]), parts, track) as recorded:
            for frames, probabilities in speech_frames(_beginning(recorded, limit, check)):
                spoken += int((probabilities >= SPEECH).sum())
                peak = max(peak, float(np.abs(frames).max()))
                if spoken >= MIN_SPEECH_FRAMES:
                    return "speech"
    except (UnsupportedMedia, EmptyAudio):
        return "nothing"
    return "sound" if peak > SILENCE else "silence"


def _beginning(recorded: RecordedTrack, seconds: float, check: Check) -> Iterator[Samples]:
    for block in recorded:
        check()
        yield block
        if recorded.decoded >= seconds:
            return
