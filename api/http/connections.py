"""A connection of one client: what it may hold, and for how long, before a request of it is anybody's."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http.access_log import SECURITY_HEADERS
from api.http.errors import ApiError, overloaded, shortage, unexpected
from worker.runtime.timing import Timing

MAX_PATH = 8 * 1024  # bytes of path and query
MAX_HEAD = 64 * 1024  # bytes that come without ending a head or bringing a part of a body
MAX_HEADERS = 200  # of a request
READ = 32 * 1024  # bytes of one connection that are parsed before it is another's turn
ACCEPTED = 4  # connections that are accepted before it is the turn of those that are there
WAITING = 2048  # connections that the system may hold until they are accepted

_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """patience: seconds for the head of a request to arrive. connections: more are answered with 503."""

    patience: float = Timing().head
    connections: int = 10_000


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's own, which waits for ever for the end of a head, takes heads of any length, answers errors of the
    protocol with plain text, and lets one connection fill the loop."""

    limits = Limits()
    _giving_up: asyncio.TimerHandle | None = None
    _refusal: ApiError | None = None  # what is wrong with the head that is being read
    _in_head = True
    _silent = 0  # bytes since anything came of them

    def connection_made(self, transport: Any) -> None:
        transport.max_size = READ  # asyncio would read 256 kB: of chunks of a byte each, that takes long to parse
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._silent += len(data)
        self._feed(_without_upgrade(data) if self._in_head else data)
        if self._silent > MAX_HEAD:
            self._refuse(_head_too_large())
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_PATH:
            message = f"The path and query of a request have at most {MAX_PATH} bytes."
            self._stop_parsing(ApiError("uri_too_long", message))

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:  # behind a body: they could say what the head did not
            return
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._stop_parsing(_head_too_large())

    def on_headers_complete(self) -> None:
        self._in_head, self._silent = False, 0
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._stop_parsing(ApiError("bad_request", "A request has one header 'Host'."))
        if strange := _transfer_coding(self.headers):
            message = f"The request's body is encoded as '{strange}'. Send it as it is; chunks are fine."
            self._stop_parsing(ApiError("unsupported_content_encoding", message))
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._silent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._silent = True, 0  # of the next one
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()  # what has been read is answered first

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        refuse: Any = _refuse_crowd
        is_crowded = len(self.connections) > self.limits.connections
        super()._start_asgi_task(cycle, refuse if is_crowded else app)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            # Only of a request behind another one in the same read, or cut within the word. The parser takes all that
            # follows for the other protocol, so where a body would end nobody knows.
            self.cycle.keep_alive = False
            if data[error.args[0] :]:
                self._refuse(ApiError("bad_request", "This server speaks HTTP/1.1 alone; send no header 'Upgrade'."))
        except httptools.HttpParserError as error:
            self._refuse(self._refusal or _explained(error))

    def _stop_parsing(self, refusal: ApiError) -> None:
        """To be called back by the parser, which passes no error on but its own."""
        self._refusal = refusal
        raise ValueError(refusal.message)

    def _refuse(self, refusal: ApiError) -> None:
        """Answers, if no other answer has begun, and closes."""
        if self.transport.is_closing():
            return
        if self._in_head and self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # the request before this one has its answer first, and the last
            return
        request_id = f"req_{secrets.token_hex(12)}"
        peer = self.client[0] if self.client else "-"
        log.info("%s %d %s %s", peer, refusal.status, refusal.code, request_id)
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_answer(refusal, request_id))
        self.transport.close()

    def _await_head(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._giving_up is None:  # bytes that trickle in buy no time
            self._giving_up = self.loop.call_later(self.limits.patience, self._give_up)

    def _stop_waiting(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        self._giving_up = None
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()


def let_wait(servers: Iterable[asyncio.Server]) -> None:
    """Has the system hold `WAITING` connections. asyncio has one number for that and for how many it accepts in a row;
    from somebody who connects again and again, 2048 in a row took seconds in which nobody else was answered."""
    for listener in (each for server in servers for each in server.sockets):
        with listener.dup() as same:
            same.listen(WAITING)


def bounded_protocol(limits: Limits) -> type[BoundedProtocol]:
    """The class, as uvicorn wants one, of protocols with these limits."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits})


async def _refuse_crowd(scope: Scope, receive: Receive, send: Send) -> None:
    log.info("%s 503 overloaded: too many connections", (scope.get("client") or ("-",))[0])
    refusal = overloaded()
    refusal.headers |= {**SECURITY_HEADERS, "connection": "close"}
    await refusal.response()(scope, receive, send)


def _transfer_coding(headers: list[tuple[bytes, bytes]]) -> str | None:
    """A coding of the body besides its chunks, such as gzip, which nobody would undo."""
    codings = b",".join(value for name, value in headers if name == b"transfer-encoding").lower().split(b",")
    if codings[-1].strip() != b"chunked":
        return None  # the parser refuses it
    strange = (coding.strip() for coding in codings if coding.strip() not in (b"", b"chunked", b"identity"))
    return next((coding.decode("latin-1")[:100] for coding in strange), None)


def _without_upgrade(data: bytes) -> bytes:
    """The start of a request without its offer to speak another protocol, which HTTP lets a server ignore. The parser
    would not read its body; Java's client offers HTTP/2 with every first request."""
    end = data.find(b"\r\n\r\n")
    head = data if end < 0 else data[:end]
    return _UPGRADE.sub(b"\r\nx-upgrade:", head) + data[len(head) :]


def _head_too_large() -> ApiError:
    message = f"The head of a request has at most {MAX_HEAD} bytes in {MAX_HEADERS} headers."
    return ApiError("headers_too_large", message)


def _explained(error: httptools.HttpParserError) -> ApiError:
    cause = error.__context__
    if isinstance(error, httptools.HttpParserCallbackError) and not isinstance(cause, httptools.HttpParserError):
        log.error("A request could not be taken", exc_info=cause)  # what failed is ours
        return shortage(cause) or unexpected()
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return ApiError("method_not_allowed", "The request's method is none of HTTP's.")
    return ApiError("bad_request", "This is not a valid HTTP request.")


def _answer(refusal: ApiError, request_id: str) -> bytes:
    body = json.dumps(refusal.body()).encode()
    headers = {
        **refusal.headers,
        **SECURITY_HEADERS,
        "x-request-id": request_id,
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    lines = [f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
