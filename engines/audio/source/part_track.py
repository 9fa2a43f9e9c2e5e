"""One track of one recording: decoded, and placed on the recording's clock."""

from __future__ import annotations

from collections.abc import Iterator

from av.container.input import InputContainer

from engines.audio.files.avi_pauses import avi_pauses
from engines.audio.files.file_end import ends_early
from engines.audio.files.part import Part
from engines.audio.source.chunk import Chunk
from engines.audio.source.clock import Clock
from engines.audio.source.declared import STREAMS, declared_seconds
from engines.audio.source.frames import TrackDecoder
from engines.audio.source.tracks import Track

TRUNCATED_SHARE = 0.98  # decoded less than this share of the declared duration …
TRUNCATED_SECONDS = 0.2  # … and at least this much less: the file was cut off


class PartTrack:
    """Iterating gives chunks from the recording's beginning, in order. container: opened from `part`.

    declared: seconds the container claims, or None. size: bytes.
    """

    def __init__(self, container: InputContainer, part: Part, track: Track) -> None:
        stream = container.streams.audio[track.stream]
        self._container, self._part = container, part
        self._decoder = TrackDecoder(container, stream, avi_pauses(part, stream.index))
        self._clock = Clock(self._decoder, container)
        self.declared = declared_seconds(container, stream, part, self._clock.beginning_of(stream))
        self.size = part.size
        self._is_stream = container.format.name in STREAMS

    def close(self) -> None:
        """May be called again."""
        self._container.close()

    def __iter__(self) -> Iterator[Chunk]:
        return iter(self._clock)

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._decoder.position

    @property
    def seconds(self) -> float:
        """Of the recording, read so far."""
        return self._clock.now

    @property
    def resets(self) -> int:
        """Stamps that could not be true."""
        return self._clock.resets

    @property
    def damaged(self) -> int:
        """Packets that could not be decoded."""
        return self._decoder.damaged

    def damage(self, *, is_last: bool) -> int:
        """The same, but for those of which only an end is there: the first of a stream that was joined on its way, and
        a last one that was cut off. Once all are read."""
        whole = self.damaged - self._decoder.damaged_first * self._is_stream
        return whole - (self._decoder.damaged_last if whole and self.missing(is_last=is_last) else 0)

    def missing(self, *, is_last: bool) -> str | None:
        """What tells that the end of the sound is missing, once all is read. is_last: whether nothing follows that
        takes over from it."""
        if self._is_truncated():
            return f"The file claims {self.declared:.1f} s but holds {self.seconds:.1f} s: it seems to be cut off."
        if (is_last and self._decoder.is_cut(self.size)) or ends_early(self._part):
            return f"The file ends in the middle of a part, after {self.seconds:.1f} s: it seems to be cut off."
        return None

    def _is_truncated(self) -> bool:
        if self.declared is None:
            return False
        return self.seconds < min(self.declared * TRUNCATED_SHARE, self.declared - TRUNCATED_SECONDS)
