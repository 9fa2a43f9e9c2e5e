"""What an attempt hears: the job's recording and those of its known speakers, as files of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engines.decoding.speaker_references import KnownSpeaker
from worker.store.job_store import JobStore
from worker.store.records import JobRequest


@dataclass(frozen=True, slots=True)
class LocalRecording:
    """known: the people whose recordings came with the request."""

    path: Path
    known: tuple[KnownSpeaker, ...] = ()


@contextmanager
def local_recording(store: JobStore, request: JobRequest) -> Iterator[LocalRecording]:
    """For as long as the block runs. Raises FileNotFoundError if they are gone, or leaves that to whoever opens one."""
    names = request.diarization.known_names if request.diarization else ()
    with ExitStack() as held:
        known = tuple(
            KnownSpeaker(name, held.enter_context(store.local_reference(request.id, number)))
            for number, name in enumerate(names)
        )
        yield LocalRecording(held.enter_context(store.local_source(request.id)), known)
