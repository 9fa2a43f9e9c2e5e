"""Places chunks on the recording's clock: the times a player shows when it plays the file.

Containers of films, calls and broadcasts say when each packet is to be heard: sound may begin later than the
picture, and nothing is sent while somebody is muted. Others are their samples and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import av
from av.audio.stream import AudioStream
from av.container.input import InputContainer

from engines.audio.source.chunk import Chunk

TOLERANCE = 0.05  # seconds a stamp may differ from the count of samples: stamps are rounded, and small loss adds up
MAX_OVERLAP = 0.5  # seconds by which sound is cut that comes again; more is a clock that was set back
MAX_GAP = 12 * 3600.0  # seconds of silence that are believed where the container doesn't say how long it is
BEYOND = 60.0  # seconds a stamp may lie behind the end that the container declares

_STAMPED = ("matroska", "webm", "mov", "mp4", "m4a", "ogg", "mpegts", "mpeg", "flv", "asf", "nut", "rm", "wtv")
_FROM_ZERO = ("matroska", "webm", "mov", "mp4", "m4a")  # their clock begins with the recording; others' anywhere


class Clock:
    """Iterating gives chunks with `start` in seconds from the recording's beginning, in order and without overlap;
    what lies between two of them is silence.

    now: where the next sample belongs. resets: stamps that could not be true, so that the sound before and after was
    joined without a gap.
    """

    def __init__(self, chunks: Iterable[Chunk], container: InputContainer) -> None:
        self._chunks = chunks
        names = container.format.name.split(",")
        self._is_stamped = any(name in _STAMPED for name in names)
        self._origin = _origin(container, names)
        self._end = container.duration / av.time_base + self._origin + BEYOND if container.duration else None
        self._shift = self._origin  # what stamps are ahead of the recording's time
        self.now = 0.0
        self.resets = 0

    def beginning_of(self, stream: AudioStream) -> float:
        """Seconds of the recording before the stream's first stamp."""
        if not self._is_stamped or stream.start_time is None or stream.time_base is None:
            return 0.0
        return max(0.0, float(stream.start_time * stream.time_base) - self._origin)

    def __iter__(self) -> Iterator[Chunk]:
        before: Chunk | None = None
        for chunk in chain(self._chunks, [None]):
            if before is not None:
                placed = self._placed(before, chunk)
                if placed.samples.shape[1]:
                    yield placed
                    assert placed.start is not None
                    self.now = placed.start + placed.seconds
            before = chunk

    def _placed(self, chunk: Chunk, following: Chunk | None) -> Chunk:
        if not self._is_stamped or chunk.start is None:
            return chunk.placed(self.now + chunk.pause)
        ahead = chunk.start - self._shift - self.now
        if abs(ahead) <= TOLERANCE:
            return chunk.placed(self.now)
        if ahead > 0 and self._is_gap(chunk.start, ahead, following):
            return chunk.placed(self.now + ahead)
        if -MAX_OVERLAP <= ahead < 0:
            return chunk.holding(chunk.samples[:, round(-ahead * chunk.rate) :]).placed(self.now)
        self._shift += ahead
        self.resets += 1
        return chunk.placed(self.now)

    def _is_gap(self, stamp: float, ahead: float, following: Chunk | None) -> bool:
        """Whether silence may be as long as the stamp has it: the next one must not fall back behind it."""
        if ahead > MAX_GAP or (self._end is not None and stamp > self._end):
            return False
        return following is None or following.start is None or following.start >= stamp


def _origin(container: InputContainer, names: list[str]) -> float:
    """The stamp of the recording's beginning. A stream that was joined on its way declares no duration, and begins
    with what there is."""
    begins = container.start_time / av.time_base if container.start_time is not None else 0.0
    is_whole = any(name in _FROM_ZERO for name in names) and bool(container.duration)
    return 0.0 if is_whole else begins
