"""Long recordings are read in processes of their own, so that they are read side by side.

In one process they take turns: decoders hold Python's lock, or hand it to one another with each packet. A process is
kept for the next recording, as starting one takes a fifth of a second. A file that crashes FFmpeg ends its own alone.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import engines
from engines.audio.recordings.messages import Begun, Ended, Failed, GoOn, Heard, Message, Sender, StillReading, receive
from engines.audio.recordings.read_ahead import ReadAhead, Turns
from engines.audio.recordings.recording import Check, Recording, Wanted, read_here
from engines.audio.windows import Speech
from engines.devices.cores import available_cores
from engines.errors import Canceled, UnsupportedMedia
from engines.transcript import TranscriptWarning

PROGRAM = "engines.audio.recordings.reader_program"
LONG_FILE = 4 * 1024 * 1024  # bytes: 20 s of a studio's WAV, 4 minutes of MP3, half an hour of a voice memo
IDLE = 60.0  # seconds after which a process that has nothing to do is ended, but for one
PATIENCE = 5.0  # seconds in which it has to end
CRASHES = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT")

_GO_ON = GoOn()

log = logging.getLogger(__name__)


class ReaderProcesses:
    """`open` may be called from any thread. most: processes at once; a recording that finds none free is read here."""

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self._guard = threading.Lock()
        self._turns = Turns(available_cores() + 1)  # to compute: with more at once, each costs more
        self._busy = 0
        self._idle: list[_ReaderProcess] = []  # the one that was used last comes last

    @contextmanager
    def open(self, wanted: Wanted, check: Check) -> Iterator[Recording]:
        """See `read_here`."""
        process = self._taken() if _is_long(wanted.path) else None
        if process is None:
            with read_here(wanted, check) as recording:
                yield recording
            return
        try:
            recording = _ReadApart(process, replace(wanted, path=wanted.path.absolute()), check, self._turns)
            with recording.ahead:
                try:
                    yield recording
                except BaseException:
                    if not process.is_free:
                        process.kill()  # or it would have to come to an end of its step first
                    raise
        finally:
            self._give_back(process)

    def prepare(self, most: int) -> None:
        """Allows so many, and starts one for the first recording, if there is none yet."""
        with self._guard:
            self.most = most
            if not most or self._busy or self._idle:
                return
        with suppress(OSError):  # it is tried again, and told of, when there is a recording
            process = _ReaderProcess()
            with self._guard:
                self._idle.append(process)

    def end_idle(self, after: float = IDLE) -> None:
        """Ends those that had nothing to do for so many seconds, but for one. To be called now and then."""
        with self._guard:
            spare = self._idle[:-1] if not self._busy else self._idle[:]
            leaving = [process for process in spare if time.monotonic() - process.idle_since >= after]
            self._idle = [process for process in self._idle if process not in leaving]
        for process in leaving:
            process.end()

    def close(self) -> None:
        """Ends those that have nothing to do, and takes no more; the others end with their recordings."""
        with self._guard:
            self.most = 0
            leaving, self._idle = self._idle, []
        for process in leaving:
            process.end()

    def _taken(self) -> _ReaderProcess | None:
        with self._guard:
            if self._busy >= self.most:
                return None
            self._busy += 1
            waiting = self._idle.pop() if self._idle else None
        if waiting:
            if waiting.is_alive:
                return waiting
            waiting.kill()
        try:
            return _ReaderProcess()
        except OSError as error:
            log.warning("A recording is read in the worker, as no process can be started for it: %s", error)
            with self._guard:
                self._busy -= 1
            return None

    def _give_back(self, process: _ReaderProcess) -> None:
        is_kept = process.is_free and process.is_alive
        with self._guard:
            self._busy -= 1
            is_kept = is_kept and self._busy + len(self._idle) < self.most
            if is_kept:
                process.idle_since = time.monotonic()
                self._idle.append(process)
        if not is_kept:
            process.kill()


class _ReaderProcess:
    """One process. is_free: whether it has said all of the recording that it was asked for. is_killed: by us. Raises
    OSError if it cannot be started."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(engines.__file__).parents[1],  # in which Python finds the program
        )
        self._asked = Sender(cast(BinaryIO, self._process.stdin))
        self._told = cast(BinaryIO, self._process.stdout)
        self.is_free, self.is_killed, self.idle_since = True, False, time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def answer(self, request: Wanted | GoOn) -> Message:
        """What it says next. Raises EOFError if it is gone."""
        self.is_free = False
        with suppress(OSError):  # if it is gone, there is no answer either
            self._asked.send(request)
        message = cast(Message, receive(self._told))
        self.is_free = isinstance(message, Ended | Failed)
        return message

    def status(self) -> int:
        """How it ended."""
        return self._process.wait()

    def end(self) -> None:
        """In good order, as it has nothing to do."""
        self._close(self._asked)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self.kill()

    def kill(self) -> None:
        """May be called again."""
        self.is_killed = True
        self._process.kill()
        self._process.wait()
        self._close(self._asked)
        self._close(self._told)

    def _close(self, pipe: Sender | BinaryIO) -> None:
        with suppress(OSError):  # what was to be sent through it
            pipe.close()


class _ReadApart:
    """See Recording. Waits until the recording is open; raises what `read_here` raises, with where it arose there.

    ahead: its windows, a few of which lie ready while nobody takes them: iterate within a `with` of it.
    """

    def __init__(self, process: _ReaderProcess, wanted: Wanted, check: Check, turns: Turns) -> None:
        self._process, self._check, self._turns = process, check, turns
        self._last: Heard | Ended | None = None
        begun = self._next(wanted)
        assert isinstance(begun, Begun)
        self.track, self._begun = begun.track, begun
        self.ahead = ReadAhead(self._windows(), "windows", at_once=0, check=check)

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
        return iter(self.ahead)

    def _windows(self) -> Iterator[Speech]:
        while isinstance(news := self._next(), Heard):
            self._last = news
            yield news.speech
        assert isinstance(news, Ended)
        self._last = news

    def _next(self, request: Wanted | GoOn = _GO_ON) -> Message:
        while True:
            try:
                with self._turns:
                    message = self._process.answer(request)
            except EOFError:
                if self._process.is_killed:
                    raise Canceled() from None
                self._check()
                raise _gone(self._process.status(), self.decoded) from None
            self._check()
            if isinstance(message, Failed):
                raise message.error
            if not isinstance(message, StillReading):
                return message
            request = _GO_ON


def _is_long(path: Path) -> bool:
    try:
        return path.stat().st_size >= LONG_FILE
    except OSError:
        return False  # who opens it says why


def _gone(status: int, seconds: float) -> Exception:
    """status: as `subprocess` tells it. seconds: of the recording, before which nothing was amiss."""
    how = _name(status)
    log.error("The process that read a recording ended: %s, some time after %.0f s of it", how, seconds)
    if how in CRASHES or status > 255:  # on Windows a crash has such a status
        return UnsupportedMedia(
            f"The file crashes the decoder ({how}), some time after {seconds:.0f} s. Convert it, to mp3 or wav for "
            "instance."
        )
    return RuntimeError(f"The process that read the recording ended ({how}).")


def _name(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"status {status}"
