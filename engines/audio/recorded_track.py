"""One track of a file as 16 kHz mono samples on the recording's clock, in bounded memory.

container ─► TrackDecoder ─► Clock ─► Conditioner ─► mixed ─► Resampled

If a file holds several recordings, joined byte by byte, they are heard one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from av.container.input import InputContainer

from engines.audio.files.part import Part
from engines.audio.source.chunk import Chunk, Samples, joined
from engines.audio.source.conditioning import Conditioner
from engines.audio.source.container import open_container
from engines.audio.source.mixing import mixed
from engines.audio.source.part_track import PartTrack
from engines.audio.source.resampling import Resampled
from engines.audio.source.tracks import Track, in_players_order, sound_tracks
from engines.base import SAMPLE_RATE
from engines.errors import EmptyAudio, UnsupportedMedia
from engines.transcript import TranscriptWarning

CONTINUED = 1.0  # seconds a part's first stamp may be off the end of the one before, if its clock went on


class RecordedTrack:
    """Iterating gives float32 blocks of shape (n,), -1..1. Closes the container, which was opened from the first part.

    declared: seconds the container claims, or None.
    """

    def __init__(self, container: InputContainer, parts: Sequence[Part], track: Track) -> None:
        first = PartTrack(container, parts[0], track)
        self._track, self._rest = track, parts[1:]
        self._read = [first]
        self._unreadable = 0  # parts
        self._size = sum(part.size for part in parts)
        self._conditioner = Conditioner(joined(self._chunks()))
        self._resampled = Resampled(mixed(self._conditioner))
        self.declared = None if self._rest else first.declared

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._read[-1].close()

    @property
    def decoded(self) -> float:
        """Seconds of the recording read so far."""
        return self._resampled.position / SAMPLE_RATE

    @property
    def expected(self) -> float:
        """Seconds the recording probably has: what the container declares, or else by the share of the file read."""
        if self.declared is not None:
            return max(self.declared, self.decoded)
        position = sum(part.size for part in self._read[:-1]) + self._read[-1].position
        share = position / self._size if self._size else 1.0
        return self.decoded / share if 0 < share < 1 else self.decoded

    def __iter__(self) -> Iterator[Samples]:
        yield from self._resampled
        if not self._resampled.position:
            if any(part.damaged for part in self._read):
                raise UnsupportedMedia("The file's audio is damaged: none of it could be decoded. Check the recording.")
            raise EmptyAudio()

    def _chunks(self) -> Iterator[Chunk]:
        """Those of all parts, on one clock."""
        yield from self._read[0]
        end = self._read[0].seconds
        for part in self._rest:
            self._read[-1].close()
            try:
                self._read.append(self._opened(part))
                begins: float | None = None
                for chunk in self._read[-1]:
                    assert chunk.start is not None
                    if begins is None:
                        begins = 0.0 if abs(chunk.start - end) < CONTINUED else end
                    yield chunk.placed(max(end, begins + chunk.start))
                    end = max(end, begins + chunk.start) + chunk.seconds
            except UnsupportedMedia:
                self._unreadable += 1

    def _opened(self, part: Part) -> PartTrack:
        container = open_container(part)
        tracks = in_players_order(sound_tracks(container))
        alike = [track for track in tracks if track.number == self._track.number]
        if not tracks:
            container.close()
            raise UnsupportedMedia()
        return PartTrack(container, part, (alike or tracks)[0])

    def warnings(self) -> Iterator[TranscriptWarning]:
        """What was wrong with the track, once it is read."""
        ends = [(part, part is self._read[-1]) for part in self._read]
        if damaged := sum(part.damage(is_last=is_last) for part, is_last in ends):
            yield TranscriptWarning("damaged_input", f"{damaged} damaged parts of the file were skipped.")
        if self._unreadable:
            message = f"The file holds {len(self._rest) + 1} recordings one after the other; {self._unreadable} of them"
            yield TranscriptWarning("damaged_input", f"{message} could not be read.")
        if self._conditioner.damaged:
            message = f"{self._conditioner.damaged} samples of the file are no sound (no number, or beyond any level)"
            yield TranscriptWarning("damaged_input", f"{message}; they were taken for silence.")
        if resets := sum(part.resets for part in self._read):
            message = f"The file's clock jumps {resets} times; times after a jump may be off."
            yield TranscriptWarning("damaged_input", message)
        if self._conditioner.scale > 1:
            message = "The file holds integers as floating-point samples; they were divided by"
            yield TranscriptWarning("rescaled_input", f"{message} {self._conditioner.scale:.0f}.")
        if missing := next(filter(None, (part.missing(is_last=is_last) for part, is_last in reversed(ends))), None):
            yield TranscriptWarning("truncated_input", f"{missing} The transcript covers what is there.")
