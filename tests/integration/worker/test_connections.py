"""Connections that send no whole head are closed; those that work are not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.connections import ACCEPTED, Limits, bounded_protocol, let_wait
from tests.acceptance import wire
from worker.runtime import open_files

PATIENCE = 0.3  # seconds
# Times as long as on a quiet machine: others may be at work here, and other test files are if they run in parallel.
# What must not be waited for took 4 to 9 s.
LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
SLOWER = max(1.0, LOAD / (os.cpu_count() or 1), 6.0 if "PYTEST_XDIST_WORKER" in os.environ else 1.0)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and says how long it was."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Server(uvicorn.Server):
    """As the service's own, whose module is started and not imported."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        let_wait(self.servers)


@pytest.fixture
def port() -> Iterator[int]:
    with serving(Limits(PATIENCE, 60)) as port:
        yield port


@contextlib.contextmanager
def serving(limits: Limits, app: ASGIApp = app) -> Iterator[int]:
    """Its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(50)
    config = uvicorn.Config(
        app,
        http=bounded_protocol(limits),
        lifespan="off",
        log_config=None,
        ws="none",
        timeout_keep_alive=30,
        backlog=ACCEPTED,
    )
    server = Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listener.close()


def is_closed(connection: socket.socket) -> bool:
    """Waits for it."""
    connection.settimeout(5)
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        assert is_closed(connection)


def test_a_head_that_trickles_in_buys_no_time(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.monotonic()
        connection.settimeout(0.05)
        closed = False
        for byte in b"POST / HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 1000:
            try:
                connection.sendall(bytes([byte]))
                closed = connection.recv(10) == b""
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                closed = True
            if closed:
                break
        assert closed
        assert 0.2 < time.monotonic() - began < 5


def test_a_body_that_takes_longer_is_let_in_and_so_is_the_next_request(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(2):
            connection.settimeout(0.1)
            connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n")
            for _ in range(5):  # 0.5 s, longer than a head may take
                connection.sendall(b"a")
                with pytest.raises(TimeoutError):
                    connection.recv(1)
            connection.settimeout(5)
            connection.sendall(b"a")
            assert wire.receive(connection).body == b"6"


def test_this_process_may_have_many_files() -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = min(256, soft)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard))
        allowed = open_files.allow_many()
        now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert now == allowed
        assert now == hard or now >= 65_536
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- what is no request --------------------------------------------------------------------------------------------

GET = b"GET / HTTP/1.1\r\nhost: x\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
BROKEN = {
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00", 405),
    "a line of text": (b"hello\r\n\r\n", 405),
    "another version": (b"GET / HTTP/3.7\r\nhost: x\r\n\r\n", 400),
    "a method of nobody": (b"FETCH / HTTP/1.1\r\nhost: x\r\n\r\n", 405),
    "a path of 60 kB": (b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 414),
    "a query of 60 kB": (b"GET /?" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 414),
    "a path that never ends": (b"GET /" + b"a" * 9_000, 414),
    "a header of 100 kB": (GET + b"x: " + b"a" * 100_000 + b"\r\n\r\n", 431),
    "a header that never ends": (GET + b"x: " + b"a" * 200_000, 431),
    "a thousand headers": (GET + b"x: y\r\n" * 1000 + b"\r\n", 431),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (GET + b"host: y\r\n\r\n", 400),
    "a header without a name": (GET + b": x\r\n\r\n", 400),
    "a space in a name": (GET + b"a b: x\r\n\r\n", 400),
    "a space before the colon": (POST + b"content-length : 5\r\n\r\nhello", 400),
    "a folded header": (GET + b"x: a\r\n b\r\n\r\n", 400),
    "a line break alone": (GET + b"x: a\nb: c\r\n\r\n", 400),
    "a null": (GET + b"x: a\x00b\r\n\r\n", 400),
    "two lengths": (POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello", 400),
    "twice the same length": (POST + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello", 400),
    "lengths in one header": (POST + b"content-length: 5, 6\r\n\r\nhello", 400),
    "a length with a sign": (POST + b"content-length: +5\r\n\r\nhello", 400),
    "a negative length": (POST + b"content-length: -5\r\n\r\nhello", 400),
    "a hexadecimal length": (POST + b"content-length: 0x5\r\n\r\nhello", 400),
    "a length beyond 64 bits": (POST + b"content-length: 99999999999999999999999\r\n\r\nhello", 400),
    "a length and chunks": (POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks and a length": (POST + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n", 400),
    "chunks that are not last": (POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    "chunks by another name": (POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "chunks in tabs": (POST + b"transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "a chunk of no size": (POST + b"transfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
    "a negative chunk": (POST + b"transfer-encoding: chunked\r\n\r\n-1\r\n", 400),
    "a chunk in 0x": (POST + b"transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk that is longer": (POST + b"transfer-encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", 400),
    "a chunk with a bare line feed": (POST + b"transfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400),
    "an extension that never ends": (POST + b"transfer-encoding: chunked\r\n\r\n5;" + b"a" * 200_000, 431),
    "a trailer that never ends": (POST + b"transfer-encoding: chunked\r\n\r\n0\r\nx: " + b"a" * 200_000, 431),
    "a packed body in chunks": (POST + b"transfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 415),
    "two codings": (POST + b"transfer-encoding: br\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", 415),
    "a proxy's request": (b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
}  # fmt: skip


@pytest.mark.fault(200)
@pytest.mark.parametrize(("failure", "status"), [(MemoryError(), 503), (ValueError("secret"), 500)])
def test_a_request_that_cannot_be_taken_is_not_called_wrong(
    port: int, monkeypatch: pytest.MonkeyPatch, failure: Exception, status: int
) -> None:
    def fail(protocol: HttpToolsProtocol) -> None:
        raise failure

    monkeypatch.setattr(HttpToolsProtocol, "on_headers_complete", fail)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(5)
        connection.sendall(GET + b"\r\n")
        answer = wire.receive(connection)
    assert answer.status == status
    assert answer.json()["error"]["type"] == "server_error"
    assert b"secret" not in answer.body


@pytest.mark.fault(76)
@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_request_is_an_error_in_openais_shape(port: int, what: str) -> None:
    data, status = BROKEN[what]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(5)
        connection.sendall(data)
        answer = wire.receive(connection)
        assert answer.status == status
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["type"] == "invalid_request_error"
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["connection"] == "close"
        assert is_closed(connection)


@pytest.mark.fault(76)
@pytest.mark.parametrize(
    "data",
    [
        GET + b"x: " + b"a" * 50_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 8_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http://x/ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
        GET + b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n",
        GET + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\r\n" + GET + b"\r\n",
    ],
)  # fmt: skip
def test_what_is_unusual_is_answered(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(data)
        assert wire.receive(connection).status == 200


@pytest.mark.fault(76)
def test_a_client_that_offers_http_2_keeps_its_body_and_its_connection(port: int) -> None:
    """Java's does so with every first request."""
    upgrade = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(POST + upgrade + b"content-length: 5\r\n\r\nhello")
        assert wire.receive(connection).body == b"5"
        connection.sendall(POST + b"content-length: 3\r\n\r\nabc")
        assert wire.receive(connection).body == b"3"


@pytest.mark.fault(76)
def test_what_stands_behind_a_body_is_no_header(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(POST + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nhost: y\r\nx: y\r\n\r\n")
        assert wire.receive(connection).body == b"5"


@pytest.mark.fault(76)
def test_a_request_before_a_broken_one_has_its_answer(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(5)
        connection.sendall(POST + b"content-length: 5\r\n\r\nhelloFETCH nothing\r\n\r\n")
        data = b""
        while piece := connection.recv(65_536):
            data += piece
        assert data.startswith(b"HTTP/1.1 200 ")
        assert data.count(b"HTTP/1.1") == 1


# ---- one connection and the others ---------------------------------------------------------------------------------


def slowest(port: int, until: float) -> float:
    """Seconds that the slowest of the others' requests took, asked one after the other."""
    took = 0.0
    while time.monotonic() < until:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(GET + b"\r\n")
            assert wire.receive(connection).status == 200
        took = max(took, time.monotonic() - began)
    return took


FLOODS = {
    "chunks of a byte": POST + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 2_000_000,
    "requests in one go": (GET + b"\r\n") * 200_000,
    "lines of a head": GET + b"a: b\r\n" * 1_000_000,
    "a path": b"GET /" + b"a" * 10_000_000,
}


@pytest.mark.fault(69)
@pytest.mark.parametrize("what", FLOODS)
def test_one_connection_holds_up_nobody(port: int, what: str) -> None:
    def flood() -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(2)
            connection.sendall(FLOODS[what])

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        assert slowest(port, time.monotonic() + 1.5) < 0.25 * SLOWER
    finally:
        thread.join()


@pytest.mark.fault(81)
def test_whoever_connects_again_and_again_is_let_in_a_few_at_a_time() -> None:
    """By how many are let in before it is the turn of a connection that is there, so by no clock."""
    let_in: list[int] = []
    waits, go_on = threading.Event(), threading.Event()

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/wait":
            waits.set()
            go_on.wait(30)  # holds the loop, so that all others wait together
        if scope["path"] == "/here":
            let_in.append(len(asyncio.all_tasks()))  # one for each
        await app(scope, receive, send)

    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(Limits(30.0, 10_000), counting))
        here, holder = (stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(2))
        holder.sendall(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        assert waits.wait(10)
        for _ in range(200):  # they fit only if the system may hold that many
            with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
                stranger.sendall(GET + b"\r\n")
        here.sendall(b"GET /here HTTP/1.1\r\nhost: x\r\n\r\n")
        go_on.set()
        assert wire.receive(here).status == 200
    assert let_in[0] < 50


@pytest.mark.fault(70)
def test_connections_beyond_the_files_there_are_are_told_to_come_back() -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(Limits(30.0, 60)))
        connections = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(62)]
        connections[-1].sendall(GET + b"\r\n")
        answer = wire.receive(connections[-1])
        assert (answer.status, answer.json()["error"]["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
