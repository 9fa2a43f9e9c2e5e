"""Connections that send no whole head are closed; those that work are not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from api.http.connections import PatientProtocol, allow_many
from tests.acceptance import wire


class HastyProtocol(PatientProtocol):
    patience = 0.3


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


@pytest.fixture
def port() -> Iterator[int]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(50)
    config = uvicorn.Config(app, http=HastyProtocol, lifespan="off", log_config=None, ws="none", timeout_keep_alive=30)
    server = uvicorn.Server(config)
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
        allow_many()
        now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert now == hard or now >= 65_536
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
