"""One track of a file as 16 kHz mono samples on the recording's clock, in bounded memory.

container ─► TrackDecoder ─► Clock ─► Conditioner ─► mixed ─► Resampled
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from av.container.input import InputContainer

from engines.audio.files.avi_pauses import avi_pauses
from engines.audio.files.file_end import ends_early
from engines.audio.source.chunk import Samples, joined
from engines.audio.source.clock import Clock
from engines.audio.source.conditioning import Conditioner
from engines.audio.source.declared import declared_seconds
from engines.audio.source.frames import TrackDecoder
from engines.audio.source.mixing import mixed
from engines.audio.source.resampling import Resampled
from engines.audio.source.tracks import Track
from engines.base import SAMPLE_RATE
from engines.errors import EmptyAudio, UnsupportedMedia
from engines.transcript import TranscriptWarning

TRUNCATED_SHARE = 0.98  # decoded less than this share of the declared duration …
TRUNCATED_SECONDS = 0.2  # … and at least this much less: the file was cut off


class RecordedTrack:
    """Iterating gives float32 blocks of shape (n,), -1..1. Closes the container, which was opened from `path`.

    declared: seconds the container claims, or None.
    """

    def __init__(self, container: InputContainer, path: Path, track: Track) -> None:
        self._container = container
        self._path, self._size = path, path.stat().st_size
        stream = self._container.streams.audio[track.stream]
        self._decoder = TrackDecoder(self._container, stream, avi_pauses(path, stream.index))
        self._clock = Clock(self._decoder, self._container)
        self._conditioner = Conditioner(joined(self._clock))
        self._resampled = Resampled(mixed(self._conditioner))
        self.declared = declared_seconds(self._container, stream, path, self._clock.beginning_of(stream))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def decoded(self) -> float:
        """Seconds of the recording read so far."""
        return self._resampled.position / SAMPLE_RATE

    @property
    def expected(self) -> float:
        """Seconds the recording probably has: what the container declares, or else by the share of the file read."""
        if self.declared is not None:
            return max(self.declared, self.decoded)
        share = self._decoder.position / self._size if self._size else 1.0
        return self.decoded / share if 0 < share < 1 else self.decoded

    def __iter__(self) -> Iterator[Samples]:
        yield from self._resampled
        if not self._resampled.position:
            if self._decoder.damaged:
                raise UnsupportedMedia("The file's audio is damaged: none of it could be decoded. Check the recording.")
            raise EmptyAudio()

    def warnings(self) -> Iterator[TranscriptWarning]:
        """What was wrong with the track, once it is read."""
        missing = self._missing()
        if damaged := self._decoder.damaged - (self._decoder.damaged_last if missing else 0):
            yield TranscriptWarning("damaged_input", f"{damaged} damaged parts of the file were skipped.")
        if self._conditioner.damaged:
            message = f"{self._conditioner.damaged} samples of the file are no sound (no number, or beyond any level)"
            yield TranscriptWarning("damaged_input", f"{message}; they were taken for silence.")
        if self._clock.resets:
            message = f"The file's clock jumps {self._clock.resets} times; times after a jump may be off."
            yield TranscriptWarning("damaged_input", message)
        if self._conditioner.scale > 1:
            message = "The file holds integers as floating-point samples; they were divided by"
            yield TranscriptWarning("rescaled_input", f"{message} {self._conditioner.scale:.0f}.")
        if missing:
            yield TranscriptWarning("truncated_input", f"{missing} The transcript covers what is there.")

    def _missing(self) -> str | None:
        if self._is_truncated():
            return f"The file claims {self.declared:.1f} s but holds {self.decoded:.1f} s: it seems to be cut off."
        if self._decoder.is_cut(self._size) or ends_early(self._path):
            return f"The file ends in the middle of a part, after {self.decoded:.1f} s: it seems to be cut off."
        return None

    def _is_truncated(self) -> bool:
        if self.declared is None:
            return False
        return self.decoded < min(self.declared * TRUNCATED_SHARE, self.declared - TRUNCATED_SECONDS)
