"""A receiver of webhooks: a real server that keeps every request as it came and answers what it is told."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DEADLINE = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Received:
    """One request. at: unix seconds; headers: as they came, names in lower case; body: the very bytes."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    header_names: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """silent: seconds before the first byte; endless: the body goes on until the caller has had enough. cut: bytes of
    the body after which the connection ends, though more was promised; if it stays, it is left open and silent."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    silent: float = 0.0
    endless: bool = False
    cut: int | None = None
    stays: bool = False


Answers = Callable[[int, Received], Reply]


class Receiver:
    """answer: told the number of the request, from 1, and the request."""

    def __init__(
        self, answer: Answers | None = None, tls: ssl.SSLContext | None = None, port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        self.requests: list[Received] = []
        self.endless_bytes = 0  # sent of endless bodies until the caller left
        self._answer = answer or (lambda number, request: Reply())
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._server = _Server((host, port), self._handler())
        self._scheme = "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}"

    def wait(self, count: int, timeout: float = DEADLINE) -> list[Received]:
        """The requests once there are so many."""
        with self._changed:
            there = self._changed.wait_for(lambda: len(self.requests) >= count, timeout)
            assert there, f"{len(self.requests)} of {count} requests came within {timeout:.0f} s"
            return list(self.requests)

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def do_GET(self) -> None:
                receiver._take(self)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        rows = handler.headers.items()
        request = Received(
            time.time(),
            handler.command,
            handler.path,
            {name.lower(): value for name, value in rows},
            tuple(name.lower() for name, _ in rows),
            body,
        )
        with self._changed:
            self.requests.append(request)
            number = len(self.requests)
            self._changed.notify_all()
        self._reply(handler, self._answer(number, request))

    def _reply(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.silent:
            self._closed.wait(reply.silent)
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if not reply.endless:
            handler.send_header("content-length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body[: reply.cut])
        if reply.stays:
            handler.wfile.flush()
            self._closed.wait(DEADLINE)
        while reply.endless and not self._closed.is_set():
            handler.wfile.write(b"x" * 1024)
            self.endless_bytes += 1024


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that leaves early is what some tests are about."""


@contextmanager
def receiving(answer: Answers | None = None, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver(answer, tls, port)
    try:
        yield receiver
    finally:
        receiver.close()


def statuses(*rows: int | Reply) -> Answers:
    """Answers these in turn, and the last one from then on."""
    replies = [Reply(row) if isinstance(row, int) else row for row in rows]
    return lambda number, request: replies[min(number, len(replies)) - 1]
