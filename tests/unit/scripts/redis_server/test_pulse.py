"""A server that says nothing for long hangs; one that is slow, busy, starting or gone does not."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.redis_server.pulse import Pulse

pytestmark = [
    pytest.mark.fault(97),
    pytest.mark.skipif(os.name == "nt", reason="the servers of this test listen on unix sockets"),
]

PATIENCE = 60.0


class Server:
    """Takes connections, and answers when told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(5)

    def answer(self, word: bytes = b"+PONG\r\n") -> None:
        line, _ = self._listening.accept()
        assert line.recv(100) == b"PING\r\n"
        line.sendall(word)
        line.close()

    def close(self) -> None:
        self._listening.close()
        self.path.unlink(missing_ok=True)


class Watch:
    """A pulse and its clock."""

    def __init__(self, path: Path) -> None:
        self.now = 100.0
        self._pulse = Pulse(str(path), PATIENCE, lambda: self.now)

    def close(self) -> None:
        self._pulse.hang_up()

    def hangs_within(self, seconds: float, every: float = 1.0) -> bool:
        end = self.now + seconds
        while self.now < end:
            self.now += every
            if self._pulse.hangs():
                return True
        return False


@pytest.fixture
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="wn-") as directory:  # a socket's path must be short
        server = Server(Path(directory) / "s")
        yield server
        server.close()


@pytest.fixture
def watch(server: Server) -> Iterator[Watch]:
    watch = Watch(server.path)
    yield watch
    watch.close()


def test_one_that_says_nothing_for_long_hangs_and_is_asked_anew_then(server: Server, watch: Watch) -> None:
    assert not watch.hangs_within(PATIENCE - 1)
    assert watch.hangs_within(2)
    assert not watch.hangs_within(PATIENCE - 1)
    assert watch.hangs_within(2)


@pytest.mark.parametrize("word", [b"+PONG\r\n", b"-LOADING Redis is loading the dataset\r\n", b"-NOAUTH no\r\n"])
def test_any_word_is_an_answer_however_late_it_comes(server: Server, watch: Watch, word: bytes) -> None:
    for _ in range(5):
        assert not watch.hangs_within(PATIENCE - 5)
        server.answer(word)
        assert not watch.hangs_within(2)


def test_one_that_is_gone_or_takes_no_more_connections_does_not_hang_at_once(server: Server, watch: Watch) -> None:
    assert not watch.hangs_within(PATIENCE - 5)
    server.close()
    assert not watch.hangs_within(10 * PATIENCE), "whoever supervises it sees that it has ended"


def test_one_with_a_full_line_of_connections_hangs(server: Server, watch: Watch) -> None:
    lines = [socket.socket(socket.AF_UNIX) for _ in range(50)]
    for line in lines:
        line.setblocking(False)
        line.connect_ex(str(server.path))
    assert not watch.hangs_within(PATIENCE - 5, every=5.0)
    assert watch.hangs_within(4 * PATIENCE, every=2.0)
    for line in lines:
        line.close()


def test_silence_while_nobody_listened_does_not_count(server: Server, watch: Watch) -> None:
    """The supervisor itself was stopped, or its machine slept."""
    assert not watch.hangs_within(10)
    watch.now += 10 * PATIENCE
    assert not watch.hangs_within(PATIENCE / 2)
