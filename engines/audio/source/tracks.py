"""The sound tracks of a container, in the order a player would take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.stream import Disposition

_ASIDE = Disposition.comment | Disposition.hearing_impaired | Disposition.visual_impaired | Disposition.dub
_LANGUAGE_UNKNOWN = ("und", "mis", "zxx", "mul")


@dataclass(frozen=True, slots=True)
class Track:
    """number: from 1, as clients count them; stream: its index among the container's sound streams."""

    number: int
    stream: int
    language: str | None
    is_default: bool
    is_aside: bool
    is_decodable: bool

    def __str__(self) -> str:
        return f"{self.number} ({self.language})" if self.language else str(self.number)


def sound_tracks(container: InputContainer) -> list[Track]:
    """All of them, as they lie in the file."""
    return [_track(stream, index) for index, stream in enumerate(container.streams.audio)]


def in_players_order(tracks: Sequence[Track]) -> list[Track]:
    """Tracks that can be decoded, flagged default before the others, comments and descriptions last."""
    able = [track for track in tracks if track.is_decodable]
    return sorted(able, key=lambda track: (not track.is_default, track.is_aside, track.number))


def _track(stream: AudioStream, index: int) -> Track:
    disposition = stream.disposition
    return Track(
        number=index + 1,
        stream=index,
        language=None if stream.language in _LANGUAGE_UNKNOWN else stream.language,
        is_default=bool(disposition & Disposition.default),
        is_aside=bool(disposition & _ASIDE),
        is_decodable=stream.codec_context is not None,
    )
