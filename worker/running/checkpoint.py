"""What a job has decoded so far, kept window by window, so that whoever goes on with it need not begin anew.

lines of attempt <n>   which nobody else writes (worker.store.attempts)
  first line           the plan: whatever, if it were different, would give other windows or other words, and `format`
  every other line     a window and its result, or a window and the voices in it, if speakers are told apart; of two
                       lines for one window the later counts

Voices have voiceprints, which are biometric data: they are nowhere else, and gone with the checkpoint.

The attempts are also the job's history: one that was not ended died with its worker, a note says that somebody saw it
die, and the number of the newest says whose work counts.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engines.base import WINDOW_SECONDS, Window, WindowResult
from engines.speakers.voice_piece import VoicePiece
from worker.store.attempts import Attempt, AttemptLog
from worker.store.job_store import JobNotFound, JobStore
from worker.store.record_format import FIRST, KEY, RecordFormat, RecordUnreadable, encoded

Place = tuple[int, int, int, int]
LENGTH = "window_seconds"  # of the plan; left out for windows of 30 s, as all had them once

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Saved:
    """A line of a checkpoint. window: see `_place`."""

    window: Place
    result: WindowResult


@dataclass(frozen=True, slots=True)
class SavedVoices:
    """A line of a checkpoint. window: see `_place`."""

    window: Place
    voices: tuple[VoicePiece, ...]


VOICES = RecordFormat("a line of a checkpoint", SavedVoices, is_numbered=False)
RESULT = RecordFormat("a line of a checkpoint", Saved, is_numbered=False)  # the first line has it


@dataclass(frozen=True, slots=True)
class History:
    """deaths: attempts that died with their worker. barren: those of them since a window was last decoded that brought
    none. strikes: the barren ones whose worker was seen to die of its own while the service lived, as it does not if
    the machine goes down. is_suspect: it was running in a death and has decoded no window since."""

    deaths: int = 0
    barren: int = 0
    strikes: int = 0
    is_suspect: bool = False

    @classmethod
    def of(cls, attempts: Sequence[Attempt]) -> History:
        deaths = barren = strikes = 0
        is_suspect = False
        for attempt in attempts:
            has_died, has_window = not attempt.has_ended, attempt.content.count(b"\n") > 1
            deaths += has_died
            barren = 0 if has_window else barren + has_died
            strikes = 0 if has_window else strikes + (has_died and attempt.is_noted)
            is_suspect = has_died or (is_suspect and not has_window)
        return cls(deaths, barren, strikes, is_suspect)


class JobCheckpoint:
    """The results of one job's earlier attempts, and a log for those of this one.

    plan: JSON of what the results depend on; attempts of another plan are left out. window_seconds: how long windows
    are to be, unless an earlier attempt went by this plan with another length: then the job keeps to that. A job goes
    on without a checkpoint if its log cannot be written.
    """

    def __init__(
        self, store: JobStore, job_id: str, plan: Mapping[str, Any], window_seconds: float = WINDOW_SECONDS
    ) -> None:
        self._store = store
        self._job_id = job_id
        attempts = store.attempts(job_id)
        wanted = {**plan, LENGTH: window_seconds} if window_seconds != WINDOW_SECONDS else plan
        self._plan = _kept({KEY: FIRST, **json.loads(json.dumps(wanted))}, [each.content for each in attempts])
        self.history = History.of(attempts)
        self.is_first = not attempts  # of this job's attempts
        self.engine_before = _engine([attempt.content for attempt in attempts])  # that decoded a window last
        self._began = self._first_window = 0.0  # of this attempt, in monotonic seconds; 0 until then
        saved = list(_known([attempt.content for attempt in attempts], self._plan))
        self._results = {each.window: each.result for each in saved if isinstance(each, Saved)}
        self._voices = {each.window: each.voices for each in saved if isinstance(each, SavedVoices)}
        self._writing = threading.Lock()
        self._log: AttemptLog | None = None
        self._is_writing = False

    def begin(self) -> None:
        """Begins this attempt's log: from here on a crash is one of this job, and earlier attempts are too late."""
        self._began = time.monotonic()
        try:
            self._log = self._store.begin_attempt(self._job_id)
            self._is_writing = True
            self._write(encoded(self._plan))
        except (OSError, JobNotFound) as error:
            self._give_up(error)

    @property
    def window_seconds(self) -> float:
        """How long windows are in this job."""
        return float(self._plan.get(LENGTH, WINDOW_SECONDS))

    @property
    def is_overtaken(self) -> bool:
        """Whether another attempt has begun since: what this one finds out counts no more."""
        return self._log is not None and self._log.number < self._store.newest_attempt(self._job_id)

    @property
    def has_progressed(self) -> bool:
        """Whether this attempt has decoded a window."""
        return self._first_window > 0

    @property
    def has_kept(self) -> bool:
        """Whether a window of this attempt is kept for the next one."""
        return self.has_progressed and self._is_writing

    @property
    def has_paid_off(self) -> bool:
        """Whether this attempt has decoded for as long as it had to read until it was where the earlier ones were."""
        return self.has_progressed and time.monotonic() - self._first_window >= self._first_window - self._began

    def result(self, window: Window) -> WindowResult | None:
        """The window's result, where it was decoded before."""
        return self._results.get(_place(window))

    def save(self, window: Window, result: WindowResult) -> None:
        """Keeps it where a crash of this process does not reach. Not synced: a loss of power costs decoding time."""
        self._first_window = self._first_window or time.monotonic()
        try:
            self._write(RESULT.dump(Saved(_place(window), result)))
        except OSError as error:
            self._give_up(error)

    def voices(self, window: Window) -> tuple[VoicePiece, ...] | None:
        """The voices in the window, if they were heard before."""
        return self._voices.get(_place(window))

    def save_voices(self, window: Window, pieces: tuple[VoicePiece, ...]) -> None:
        """As `save`; from any thread."""
        try:
            self._write(VOICES.dump(SavedVoices(_place(window), pieces)))
        except OSError as error:
            self._give_up(error)

    def end(self) -> None:
        """Ends this attempt in good order, unless it was overtaken: then it counts as a crash. May be called twice."""
        if self._log is None:
            return
        try:
            is_overtaken = self.is_overtaken
            with self._writing:
                self._is_writing = False
                self._log.close() if is_overtaken else self._log.end()
        except OSError as error:
            log.warning("The checkpoint of %s could not be ended: %s", self._job_id, error)

    def _give_up(self, error: Exception) -> None:
        log.warning("Job %s goes on without a checkpoint: %s", self._job_id, error)
        with self._writing:
            self._is_writing = False
            if self._log is not None:
                with contextlib.suppress(OSError):  # what it still holds does not fit either
                    self._log.close()

    def _write(self, line: bytes) -> None:
        """Nothing once it is over."""
        with self._writing:
            if self._log is not None and self._is_writing:
                self._log.append(line + b"\n")


def _place(window: Window) -> Place:
    """The window's number, where in the recording it begins and ends, and how much of that it has, in samples."""
    first, last = window.pieces[0], window.pieces[-1]
    return window.index, first.source, last.source + last.length, len(window.samples)


def _kept(plan: dict[str, Any], contents: list[bytes]) -> dict[str, Any]:
    """The plan, with the length of windows that the newest attempt has whose plan is the same otherwise."""
    for content in reversed(contents):
        earlier = _plan(next(_lines(content), b""))
        if isinstance(earlier, dict) and {**earlier, LENGTH: None} == {**plan, LENGTH: None}:
            return earlier
    return plan


def _engine(contents: list[bytes]) -> str:
    """That of the newest attempt with a window; empty if there is none."""
    for content in reversed(contents):
        plan = _plan(next(_lines(content), b""))
        if isinstance(plan, dict) and content.count(b"\n") > 1:
            return str(plan.get("engine", ""))
    return ""


def _known(contents: list[bytes], plan: Mapping[str, Any]) -> Iterator[Saved | SavedVoices]:
    for content in contents:
        lines = _lines(content)
        if _plan(next(lines, b"")) != plan:
            continue
        for line in lines:
            try:
                yield _read(line)
            except RecordUnreadable:  # a disk that lost its power may leave anything behind
                break


def _read(line: bytes) -> Saved | SavedVoices:
    try:
        return RESULT.load(line)
    except RecordUnreadable:
        return VOICES.load(line)


def _lines(content: bytes) -> Iterator[bytes]:
    """Whole lines only: the last one is torn where the process died as it wrote it."""
    return (line for line in content.splitlines(keepends=True) if line.endswith(b"\n"))


def _plan(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
