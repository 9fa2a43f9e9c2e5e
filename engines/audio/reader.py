"""Any recording as a stream of 16 kHz mono samples, in bounded memory and without trusting the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from av.container.input import InputContainer

from engines.audio.files.part import Part
from engines.audio.files.parts import parts_of
from engines.audio.peaks import Peaks
from engines.audio.recorded_track import RecordedTrack
from engines.audio.source.chunk import Samples
from engines.audio.source.container import open_container
from engines.audio.source.loudness import Loudness
from engines.audio.source.tracks import Track, sound_tracks
from engines.audio.track_choice import Check, chosen_track
from engines.errors import UnsupportedMedia
from engines.transcript import TranscriptWarning

__all__ = ["AudioReader", "Samples"]


def _go_on() -> None:
    return


class AudioReader:
    """Reads one file. Iterating gives float32 blocks of shape (n,), -1..1, of at most some seconds.

    track: the number of the sound track to read, from 1; None chooses as a player would, but for one that somebody
    speaks in. check: called now and then while the file is looked through; may raise. Raises UnsupportedMedia,
    NoAudioStream, TrackNotFound or (at the end of a file without a sample) EmptyAudio.
    """

    def __init__(self, path: Path, track: int | None = None, check: Check = _go_on) -> None:
        parts, container = _opened(path, check)
        try:
            self._tracks = sound_tracks(container)
            self._track = chosen_track(parts, self._tracks, track, check)
            self._recorded = RecordedTrack(container, parts, self._track)
        except BaseException:
            container.close()
            raise
        self._loudness, self._peaks = Loudness(), Peaks()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recorded.__exit__(kind, error, trace)

    @property
    def track(self) -> int:
        """The number of the track that is read, from 1."""
        return self._track.number

    @property
    def declared(self) -> float | None:
        """Seconds the container claims, or None."""
        return self._recorded.declared

    @property
    def decoded(self) -> float:
        """Seconds read so far."""
        return self._recorded.decoded

    @property
    def expected(self) -> float:
        """Seconds the recording probably has."""
        return self._recorded.expected

    @property
    def peaks(self) -> tuple[int, ...]:
        """The waveform so far, see Peaks."""
        return self._peaks.levels()

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard so far but the noise of a room."""
        return self._loudness.is_silent

    def __iter__(self) -> Iterator[Samples]:
        for block in self._recorded:
            self._loudness.hear(block)
            self._peaks.hear(block)
            yield block

    def warnings(self) -> tuple[TranscriptWarning, ...]:
        """What was wrong with the file, and what was left out, once it is read."""
        return (*self._recorded.warnings(), *_other_tracks(self._track, self._tracks))


def _opened(path: Path, check: Check) -> tuple[list[Part], InputContainer]:
    """The file's recordings, and the first of them."""
    parts = parts_of(path, check)
    try:
        return parts, open_container(parts[0])
    except UnsupportedMedia:
        if len(parts) == 1:
            raise
        return [Part(path)], open_container(path)  # what looked like several is none


def _other_tracks(track: Track, tracks: list[Track]) -> Iterator[TranscriptWarning]:
    others = ", ".join(str(other) for other in tracks if other is not track)
    if others:
        message = f"The recording has {len(tracks)} sound tracks. This is track {track}; not transcribed: {others}."
        yield TranscriptWarning("other_tracks", f"{message} Send 'track' to choose one.")
