"""Connections that send no request: closed, or they would keep others out."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from worker.runtime.timing import Timing

WANTED_FILES = 65_536  # open files: two for each connection that uploads

log = logging.getLogger(__name__)


class PatientProtocol(H11Protocol):
    """uvicorn's own, which closes a connection that is idle between two requests, but waits for ever for the first
    one and for the end of a head that has begun.

    patience: seconds for the head of a request to arrive."""

    patience = Timing().head
    _giving_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._giving_up is None:  # bytes that trickle in buy no time
            self._giving_up = self.loop.call_later(self.patience, self._give_up)

    def _stop_waiting(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        self._giving_up = None
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()


def patient_protocol(patience: float) -> type[PatientProtocol]:
    """The class, as uvicorn wants one, of protocols with this patience."""
    return type("PatientProtocol", (PatientProtocol,), {"patience": patience})


def allow_many() -> None:
    """Raises this process's limit of open files to what the system lets it have."""
    if sys.platform == "win32":  # which has no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError) as error:
            log.warning("Only %d files may be open at once: %s", soft, error)
