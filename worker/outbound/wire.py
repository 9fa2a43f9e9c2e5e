"""A connection to an address that was checked, with one deadline for all of it.

Plain sockets under httpcore2: its own time limits are for each read, and a receiver that sends a byte now and then
would hold us for ever.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore2

from worker.outbound.addresses import AddressBook
from worker.outbound.target import Target


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a call may take. deadline: of all of it, in monotonic seconds. connecting: seconds for a connection, and as
    many for its TLS. pulse: called every `beat` seconds while something is read; it may raise."""

    deadline: float
    connecting: float = math.inf
    beat: float = math.inf
    pulse: Callable[[], None] = _nothing

    @property
    def remaining(self) -> float:
        """Seconds left; raises TimeoutError if there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The time for this call is over.")
        return left


class Wire(httpcore2.NetworkStream):
    """An open connection."""

    def __init__(self, connection: socket.socket, allowance: Allowance) -> None:
        self._socket = connection
        self._allowance = allowance
        self._pulse_at = time.monotonic() + allowance.beat

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _errors(httpcore2.ReadTimeout, httpcore2.ReadError):
            while True:
                self._pulse()
                self._socket.settimeout(min(self._allowance.remaining, self._allowance.beat))
                try:
                    return self._socket.recv(max_bytes)
                except TimeoutError:
                    continue

    def _pulse(self) -> None:
        """Also if bytes come: those of a head that never ends are seen by nobody else."""
        if time.monotonic() >= self._pulse_at:
            self._allowance.pulse()
            self._pulse_at = time.monotonic() + self._allowance.beat

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        with _errors(httpcore2.WriteTimeout, httpcore2.WriteError):
            while view:
                self._socket.settimeout(self._allowance.remaining)
                view = view[self._socket.send(view) :]

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Wire:
        try:
            with _errors(httpcore2.ConnectTimeout, httpcore2.ConnectError):
                self._socket.settimeout(min(self._allowance.remaining, self._allowance.connecting))
                return Wire(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._allowance)
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        return None  # asked for the protocol TLS agreed on: we offer HTTP/1.1 alone


class CheckedNetwork(httpcore2.NetworkBackend):
    """Resolves, checks, and dials what it has checked: between the two there is nothing to rebind."""

    def __init__(self, book: AddressBook, target: Target, allowance: Allowance) -> None:
        self._book = book
        self._target = target
        self._allowance = allowance

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> Wire:
        addresses = self._book.addresses(self._target)
        for number, address in enumerate(addresses, start=1):
            try:
                with _errors(httpcore2.ConnectTimeout, httpcore2.ConnectError):
                    seconds = min(self._allowance.remaining, self._allowance.connecting)
                    share = seconds / (len(addresses) - number + 1)
                    return Wire(socket.create_connection((address, port), share), self._allowance)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError("the book gives an address or raises")


@contextmanager
def _errors(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """The system's errors in httpcore2's words."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:  # of TLS too
        raise broken(str(error)) from error
