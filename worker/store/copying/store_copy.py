"""Copies all jobs and idempotency keys of one store to another. What is there already, as it is, is left alone: so one
that was broken off goes on, and one that is made again copies what has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from worker.store.copying.shelf import CHANGING, COMMIT, DamagedCopy, Part, Parts, Shelf, is_recording
from worker.store.idempotency import parsed
from worker.store.record_format import RecordUnreadable

TRIES = 3  # of a job that changes as it is copied
MAY_CHANGE = "checkpoint."  # two stores keep these in as many pieces as they like, with different sizes


@dataclass(slots=True)
class Copied:
    """Jobs by what became of them. failed: why, by id."""

    copied: int = 0
    were_there: int = 0
    bytes: int = 0
    claims: int = 0
    failed: dict[str, str] = field(default_factory=dict)


class StoreCopy:
    """tell: called after each job, with what was done so far."""

    def __init__(self, source: Shelf, target: Shelf, tell: Callable[[Copied], None] = lambda copied: None) -> None:
        self._source = source
        self._target = target
        self._tell = tell
        self._done = Copied()

    def run(self) -> Copied:
        """Goes on after a job that is damaged or cannot be had whole. Raises OSError if a store fails."""
        for job_id in self._source.ids():
            self._copy(job_id)
            self._tell(self._done)
        for name, content in self._claims():
            self._target.write_claim(name, content)
            self._done.claims += 1
        return self._done

    def _copy(self, job_id: str) -> None:
        for left in reversed(range(TRIES)):
            try:
                self._try_copy(job_id)
                return
            except FileNotFoundError as error:  # it goes on, or ends, or is deleted, as it is copied
                if not self._source.parts(job_id):
                    return
                if not left:
                    self._done.failed[job_id] = f"it changed while it was copied ({error})"
            except DamagedCopy as error:
                self._done.failed[job_id] = str(error)
                return

    def _try_copy(self, job_id: str) -> None:
        there = self._source.parts(job_id)
        if COMMIT not in there:
            return
        if self._is_same(job_id, there):
            self._done.were_there += 1
            return
        with ExitStack() as stack:
            parts = Parts()
            for name in there:
                if is_recording(name):
                    parts.recordings[name] = stack.enter_context(self._source.recording(job_id, name))
                else:
                    parts.records[name] = self._source.record(job_id, name)
            self._target.write(job_id, parts)
        self._done.copied += 1
        self._done.bytes += sum(part.size for part in there.values())

    def _is_same(self, job_id: str, there: dict[str, Part]) -> bool:
        known = self._target.parts(job_id)
        if known.keys() != there.keys():
            return False
        for name, part in there.items():
            if name in CHANGING or name.startswith(MAY_CHANGE):
                if self._source.record(job_id, name) != self._target.record(job_id, name):
                    return False
            elif part.size != known[name].size:
                return False
        return True

    def _claims(self) -> Iterator[tuple[str, bytes]]:
        """Those that stand for a job, and are not there as they are. Empty ones are held by a request on its way in."""
        there = self._target.claims()
        for name, content in self._source.claims().items():
            try:
                claimed = parsed(content)
                if claimed and claimed.job_id and (name not in there or parsed(there[name]) != claimed):
                    yield name, content
            except RecordUnreadable:  # a newer version's
                continue
