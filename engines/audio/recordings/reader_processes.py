"""Long recordings are read in processes of their own, so that they are read side by side.

In one process they take turns: decoders hold Python's lock, or hand it to one another with each packet. A process is
kept for the next recording, as starting one takes a fifth of a second. A file that crashes FFmpeg ends its own alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from engines.audio.recordings.messages import Begun, Ended, Failed, GoOn, Heard, StillReading
from engines.audio.recordings.read_ahead import ReadAhead
from engines.audio.recordings.reader_process import ReaderProcess, Unfit, gone
from engines.audio.recordings.recording import Check, Recording, Wanted, read_here
from engines.audio.recordings.turns import Turns
from engines.audio.windows import Speech
from engines.devices.cores import available_cores
from engines.errors import Canceled
from engines.transcript import TranscriptWarning

LONG_FILE = 4 * 1024 * 1024  # bytes: 20 s of a studio's WAV, 4 minutes of MP3, half an hour of a voice memo
IDLE = 60.0  # seconds after which a process that has nothing to do is ended, but for one

_GO_ON = GoOn()

log = logging.getLogger(__name__)


class ReaderProcesses:
    """`open` may be called from any thread. most: processes at once; a recording that finds none free is read here."""

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self._guard = threading.Lock()
        self._turns = Turns(available_cores() + 1)  # to compute: with more at once, each costs more
        self._busy = 0
        self._idle: list[ReaderProcess] = []  # the one that was used last comes last

    @contextmanager
    def open(self, wanted: Wanted, check: Check) -> Iterator[Recording]:
        """See `read_here`."""
        with ExitStack() as held:
            recording = None
            if _is_long(wanted.path) and (process := self._taken()):
                recording = self._begun(process, wanted, check, held)
            yield recording or held.enter_context(read_here(wanted, check))

    def prepare(self, most: int) -> None:
        """Allows so many, and starts one for the first recording, if there is none yet."""
        with self._guard:
            self.most = most
            if not most or self._busy or self._idle:
                return
        with suppress(OSError):  # it is tried again, and told of, when there is a recording
            process = ReaderProcess()
            with self._guard:
                self._idle.append(process)

    def end_idle(self, after: float = IDLE) -> None:
        """Ends those that had nothing to do for so many seconds, but for one. To be called now and then."""
        with self._guard:
            spare = self._idle[:-1] if not self._busy else self._idle[:]
            leaving = [process for process in spare if time.monotonic() - process.idle_since >= after]
            self._idle = [process for process in self._idle if process not in leaving]
        for process in leaving:
            process.kill()

    def close(self) -> None:
        """Ends those that have nothing to do, and takes no more; the others end with their recordings."""
        with self._guard:
            self.most = 0
            leaving, self._idle = self._idle, []
        for process in leaving:
            process.kill()

    def _taken(self) -> ReaderProcess | None:
        with self._guard:
            if self._busy >= self.most:
                return None
            self._busy += 1
            waiting = self._idle.pop() if self._idle else None
        try:
            if waiting and waiting.is_alive:
                return waiting
            if waiting:
                waiting.kill()
            return ReaderProcess()
        except BaseException as error:
            with self._guard:
                self._busy -= 1
            if not isinstance(error, OSError):
                raise
            log.warning("A recording is read in the worker, as no process can be started for it: %s", error)
            return None

    def _begun(self, process: ReaderProcess, wanted: Wanted, check: Check, held: ExitStack) -> Recording | None:
        """None if the process turns out to be of no use."""
        held.callback(self._give_back, process)
        recording = _ReadApart(process, wanted, check, self._turns)
        held.enter_context(recording.ahead)
        held.callback(process.leave)  # before its thread is waited for
        try:
            recording.begin()
            return recording
        except Unfit as error:
            log.warning("A recording is read in the worker, as the process that was to read it cannot: %s", error)
            process.kill()
            return None

    def _give_back(self, process: ReaderProcess) -> None:
        is_kept = process.is_free and process.is_alive
        with self._guard:
            self._busy -= 1
            is_kept = is_kept and self._busy + len(self._idle) < self.most
            if is_kept:
                process.idle_since = time.monotonic()
                self._idle.append(process)
        if not is_kept:
            process.kill()


class _ReadApart:
    """See Recording. ahead: what is said of it, a few windows of which lie ready while nobody takes them. Use it within
    a `with` of that, and call `begin` first."""

    is_cut_ahead = True

    def __init__(self, process: ReaderProcess, wanted: Wanted, check: Check, turns: Turns) -> None:
        self._process, self._check, self._turns = process, check, turns
        self._last: Heard | Ended | None = None
        self.ahead = ReadAhead(self._told(wanted), "apart", at_once=0, check=check)
        self._messages = iter(self.ahead)

    def begin(self) -> None:
        """Waits until the recording is open. Raises what opening it raises, with where it arose in the process."""
        begun = next(self._messages)
        assert isinstance(begun, Begun)
        self.track, self._begun = begun.track, begun

    @property
    def decoded(self) -> float:
        return self._last.decoded if self._last else 0.0

    @property
    def expected(self) -> float:
        return (self._last or self._begun).expected

    @property
    def peaks(self) -> tuple[int, ...]:
        return self._last.peaks if isinstance(self._last, Ended) else ()

    @property
    def is_silent(self) -> bool:
        return isinstance(self._last, Ended) and self._last.is_silent

    def warnings(self) -> tuple[TranscriptWarning, ...]:
        return self._last.warnings if isinstance(self._last, Ended) else ()

    def __iter__(self) -> Iterator[Speech]:
        for message in self._messages:
            assert isinstance(message, Heard | Ended)
            self._last = message
            if isinstance(message, Heard):
                yield message.speech

    def _told(self, wanted: Wanted) -> Iterator[Begun | Heard | Ended]:
        message = self._answer(wanted)
        while not isinstance(message, Ended):
            if not isinstance(message, StillReading):
                yield message
            message = self._answer(_GO_ON)
        yield message

    def _answer(self, request: Wanted | GoOn) -> Begun | StillReading | Heard | Ended:
        try:
            with self._turns.one(self._check):
                message = self._process.answer(request)
        except EOFError:
            self._check()
            if self._process.is_killed:
                raise Canceled() from None
            raise gone(self._process.status(), self.decoded) from None
        self._check()
        if isinstance(message, Failed):
            raise message.error
        return message


def _is_long(path: Path) -> bool:
    try:
        return path.stat().st_size >= LONG_FILE
    except OSError:
        return False  # who opens it says why
