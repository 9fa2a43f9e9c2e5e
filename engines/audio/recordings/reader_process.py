"""One process that reads recordings, as its owner sees it."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import engines
from engines.audio.recordings.messages import Ended, Failed, GoOn, Message, Sender, is_greeting, receive
from engines.audio.recordings.recording import Wanted
from engines.errors import UnsupportedMedia

PROGRAM = "engines.audio.recordings.reader_program"
CRASHES = ("SIGSEGV", "SIGFPE", "SIGILL")

# It finds our code wherever Python looks for code there, and is deaf to the signals of the service from the beginning.
_START = """
import runpy, signal, sys
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
sys.path.insert(0, sys.argv[2])
runpy.run_module(sys.argv[1], run_name="__main__")
"""

log = logging.getLogger(__name__)


class Unfit(Exception):
    """The process ended before it said a word, or said something else."""


class ReaderProcess:
    """One process. is_free: whether it has said all of the recording that it was asked for. is_killed: by us. Raises
    OSError if it cannot be started."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, PROGRAM, str(Path(engines.__file__).parents[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._asked = Sender(cast(BinaryIO, self._process.stdin))
        self._told = cast(BinaryIO, self._process.stdout)
        self._is_known = False
        self.is_free, self.is_killed, self.idle_since = True, False, time.monotonic()
        threading.Thread(target=_log, args=(self._process.stderr,), name="reader's log", daemon=True).start()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def answer(self, request: Wanted | GoOn) -> Message:
        """What it says next. Raises EOFError if it is gone, Unfit if it is none of ours."""
        self.is_free = False
        with suppress(OSError):  # if it is gone, there is no answer either
            self._asked.send(request)
        if not self._is_known:
            self._get_to_know()
        message = cast(Message, receive(self._told))
        self.is_free = isinstance(message, Ended | Failed)
        return message

    def _get_to_know(self) -> None:
        try:
            self._is_known = is_greeting(self._told)
        except EOFError:
            raise Unfit(f"it ended ({_name(self.status())}).") from None
        if not self._is_known:
            raise Unfit("it is of another version, or something prints on its standard output.")

    def status(self) -> int:
        """How it ended."""
        return self._process.wait()

    def leave(self) -> None:
        """Nobody wants the rest of what it reads, if there is some."""
        if not self.is_free:
            self.kill()

    def kill(self) -> None:
        """May be called again."""
        self.is_killed = True
        self._process.kill()
        self._process.wait()
        for pipe in (self._asked, self._told):
            with suppress(OSError):  # what was to be sent through it
                pipe.close()


def gone(status: int, seconds: float) -> Exception:
    """status: as `subprocess` tells it. seconds: of the recording, before which nothing was amiss."""
    how = _name(status)
    log.error("The process that read a recording ended: %s, %s", how, _where(seconds))
    if how in CRASHES or status > 255:  # on Windows a crash has such a status
        return UnsupportedMedia(
            f"The file crashes the decoder ({how}), {_where(seconds)}. Convert it, to mp3 or wav for instance."
        )
    return RuntimeError(f"The process that read the recording ended ({how}).")


def _where(seconds: float) -> str:
    return f"some time after {seconds:.0f} s" if seconds else "at its beginning"


def _name(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"status {status}"


def _log(pipe: BinaryIO) -> None:
    """What a library says there, line by line, in the worker's own log."""
    with pipe:
        for line in pipe:
            log.warning("A process that reads recordings says: %s", line.decode(errors="replace").rstrip())
