"""A recording as windows of speech, read in this process.

AudioReader ─► speech_frames ─► pack_speech, the first two on threads of their own if the recording is not short
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engines.audio.faint_speech import Frames
from engines.audio.reader import AudioReader, Samples
from engines.audio.recordings.read_ahead import READING, ReadAhead
from engines.audio.voice_activity import speech_frames
from engines.audio.windows import Speech, pack_speech, packing_of
from engines.base import Listening
from engines.errors import AudioTooLong
from engines.transcript import TranscriptWarning

Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """window_seconds: of a full window. max_seconds: of audio; a longer recording raises AudioTooLong."""

    path: Path
    listening: Listening
    window_seconds: float
    max_seconds: float


class Recording(Protocol):
    """Iterate it once for its windows, in order, at most 30 s of speech each. Raises what AudioReader raises, or
    AudioTooLong."""

    @property
    def track(self) -> int:
        """The number of the sound track that is read, from 1."""

    @property
    def is_cut_ahead(self) -> bool:
        """Whether some of its windows are cut while nobody takes them."""

    @property
    def decoded(self) -> float:
        """Seconds read so far."""

    @property
    def expected(self) -> float:
        """Seconds the recording probably has."""

    @property
    def peaks(self) -> tuple[int, ...]:
        """The waveform, see Peaks, once it is read."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing was heard but the noise of a room, once it is read."""

    def warnings(self) -> tuple[TranscriptWarning, ...]:
        """What was wrong with the file, and what was left out, once it is read."""

    def __iter__(self) -> Iterator[Speech]: ...


OpenRecording = Callable[[Wanted, Check], AbstractContextManager[Recording]]  # the check is called often, and may raise


@contextmanager
def read_here(wanted: Wanted, check: Check, *, hears_ahead: bool = True) -> Iterator[Recording]:
    """check: called every 2 s of the recording, and while the file is looked through; may raise. hears_ahead: voice
    activity has a thread of its own, too."""
    packing = packing_of(wanted.listening, wanted.window_seconds)
    with (
        AudioReader(wanted.path, wanted.listening.track, check) as reader,
        ReadAhead(reader, "read", READING) as blocks,
        _heard(blocks, ahead=hears_ahead) as heard,
    ):
        yield _ReadHere(reader, pack_speech(_checked(heard, reader, wanted, check), packing))


def _heard(blocks: Iterable[Samples], *, ahead: bool) -> AbstractContextManager[Iterable[Frames]]:
    frames = speech_frames(blocks)
    return ReadAhead(frames, "ears") if ahead else nullcontext(frames)


def _checked(frames: Iterable[Frames], reader: AudioReader, wanted: Wanted, check: Check) -> Iterator[Frames]:
    for each in frames:
        check()
        if reader.decoded > wanted.max_seconds:
            raise AudioTooLong(f"The recording is longer than the {wanted.max_seconds / 3600:g} hours accepted here.")
        yield each


class _ReadHere:
    """See Recording."""

    def __init__(self, reader: AudioReader, windows: Iterable[Speech]) -> None:
        self._reader, self._windows = reader, windows

    is_cut_ahead = False

    @property
    def track(self) -> int:
        return self._reader.track

    @property
    def decoded(self) -> float:
        return self._reader.decoded

    @property
    def expected(self) -> float:
        return self._reader.expected

    @property
    def peaks(self) -> tuple[int, ...]:
        return self._reader.peaks

    @property
    def is_silent(self) -> bool:
        return self._reader.is_silent

    def warnings(self) -> tuple[TranscriptWarning, ...]:
        return self._reader.warnings()

    def __iter__(self) -> Iterator[Speech]:
        return iter(self._windows)
