"""Whether a server still answers, found out without ever waiting for it: whoever asks has other processes to tend."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

BETWEEN = 1.0  # seconds between two questions
CONNECTING = 0.2  # seconds; on the same machine it takes none

Address = str | tuple[str, int]  # of a unix socket or on loopback


class Pulse:
    """`hangs` is asked every now and then. patience: seconds without an answer. An answer is any word: that it is
    loading, or wants a password."""

    def __init__(self, address: Address, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._patience = patience
        self._clock = clock
        self._line: socket.socket | None = None  # on which a question is open
        self._looked_at = clock()
        self._silence = 0.0  # seconds, as far as we were there to hear

    def hangs(self) -> bool:
        """Whether the server has been silent for so long. Begins anew after a True."""
        now = self._clock()
        passed = now - self._looked_at
        if passed < BETWEEN:
            return False
        self._looked_at = now
        self._silence = 0.0 if self._answers() else self._silence + min(passed, 2 * BETWEEN)
        if self._silence < self._patience:
            return False
        self._silence = 0.0
        self.hang_up()
        return True

    def _answers(self) -> bool:
        """Whether it has said something to the last question, or is not there at all, which is no hanging."""
        try:
            if self._line is None:
                self._ask()
                return False
            self._line.recv(1000)
        except (BlockingIOError, TimeoutError):  # nothing yet, or too many wait for it to take their connection
            return False
        except OSError:
            self.hang_up()
            return True
        self.hang_up()
        return True

    def _ask(self) -> None:
        kind = socket.AF_INET if isinstance(self._address, tuple) else socket.AF_UNIX
        line = self._line = socket.socket(kind, socket.SOCK_STREAM)
        line.settimeout(CONNECTING)
        try:
            line.connect(self._address)
        except (BlockingIOError, TimeoutError):
            self.hang_up()
            raise
        line.sendall(b"PING\r\n")
        line.setblocking(False)

    def hang_up(self) -> None:
        """Leaves the last question."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.close()
        self._line = None
