"""Reads recordings for another process: `python -m engines.audio.recordings.reader_program`, with a pipe at either end.

stdin: Wanted, one after the other ─► stdout: Begun, windows, Ended or Failed, for each

It ends when its stdin does, in the midst of a recording, too. SIGINT and SIGTERM, which the whole service gets, are the
owner's to obey: what it has in hand is read to its end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import BinaryIO

from engines.audio.recordings.messages import Begun, Ended, Failed, GoOn, Heard, Sender, StillReading, receive
from engines.audio.recordings.recording import Wanted, read_here
from engines.audio.speech_network import speech_session

PULSE = 0.1  # seconds after which the owner hears of a recording that gives no window


class _Owner:
    """sender: to it. asked: what it says."""

    def __init__(self, sender: Sender, asked: SimpleQueue[Wanted | GoOn]) -> None:
        self._sender, self._asked = sender, asked
        self._told_at = time.monotonic()

    def wanted(self) -> Wanted:
        """The next recording, once there is one."""
        wanted = self._asked.get()
        assert isinstance(wanted, Wanted)
        return wanted

    def tell_last(self, message: Ended | Failed) -> None:
        self._sender.send(message)

    def tell(self, message: Begun | StillReading | Heard) -> None:
        """Waits until this may go on."""
        self._sender.send(message)
        assert isinstance(self._asked.get(), GoOn)
        self._told_at = time.monotonic()

    def check(self) -> None:
        """Call it often."""
        if time.monotonic() - self._told_at >= PULSE:
            self.tell(StillReading())


def _read(wanted: Wanted, owner: _Owner) -> Ended:
    with read_here(wanted, owner.check, hears_ahead=False) as recording:
        owner.tell(Begun(recording.track, recording.expected))
        for speech in recording:
            owner.tell(Heard(speech, recording.decoded, recording.expected))
        return Ended(recording.decoded, recording.expected, recording.peaks, recording.is_silent, recording.warnings())


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # the owner has had them ignored before; not so who tries it by hand
        signal.signal(number, signal.SIG_IGN)
    sender = Sender(os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no message
    speech_session()  # before anything waits for stdin: on Windows a library that is loaded then may wait for it, too
    asked: SimpleQueue[Wanted | GoOn] = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, asked), daemon=True).start()
    owner = _Owner(sender, asked)
    sender.greet()
    while True:
        try:
            last: Ended | Failed = _read(owner.wanted(), owner)
        except Exception as error:  # noqa: BLE001 - it is raised again where the recording is wanted
            last = Failed.of(error)
        owner.tell_last(last)


def _listen(pipe: BinaryIO, asked: SimpleQueue[Wanted | GoOn]) -> None:
    with suppress(BaseException):
        while True:
            message = receive(pipe)
            assert isinstance(message, Wanted | GoOn)
            asked.put(message)
    os._exit(0)  # the owner is gone, and nobody wants the rest


if __name__ == "__main__":
    main()
