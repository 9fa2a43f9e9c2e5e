"""Sources that lie about what they send, or never come to an end: byte for byte, as no library would answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.receiver import Received, Reply, receiving
from tests.unit.worker.outbound.test_download import BODY, LIMITS, LOOPBACK, Kept, download, refused
from worker.outbound.addresses import AddressBook, resolve
from worker.outbound.client import tls_context
from worker.outbound.download import Downloader, DownloadLimits, SourceAway

ENOUGH = 30.0  # seconds; only a hung download needs as much


@contextmanager
def answering(*answers: bytes, then: bytes = b"") -> Iterator[str]:
    """A URL whose server gives these bytes, one answer a connection. then: what the last one goes on with for ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            for number, answer in enumerate(answers, start=1):
                with contextlib.suppress(OSError), server.accept()[0] as connection:
                    connection.recv(65536)
                    connection.sendall(answer)
                    while then and number == len(answers) and not done.wait(0.01):
                        connection.sendall(then)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/a"
        finally:
            done.set()
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(ENOUGH)


def head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def in_parts(size: int) -> Callable[[int, Received], Reply]:
    """Gives so many bytes at most, whatever is asked for, as some networks for videos do."""

    def answer(number: int, request: Received) -> Reply:
        start = int(request.headers.get("range", "bytes=0-")[len("bytes=") :].rstrip("-"))
        piece = BODY[start : start + size]
        shown = f"bytes {start}-{start + len(piece) - 1}/{len(BODY)}"
        return Reply(206, {"content-range": shown, "etag": '"v"'}, piece)

    return answer


def test_a_source_that_gives_less_than_was_asked_for_is_asked_for_the_rest() -> None:
    with receiving(in_parts(100_000)) as source:
        assert download(source.url()).body == BODY
        assert [request.headers.get("range") for request in source.requests] == [
            None,
            "bytes=100000-",
            "bytes=200000-",
        ]


@pytest.mark.parametrize(
    ("answer", "had"),
    [
        (head("206 Partial", "Content-Range: bytes 0-9/1000", "Content-Length: 10") + bytes(10), b""),
        (head("206 Partial", "Content-Range: bytes 5-9/10", 'ETag: "v"', "Content-Length: 0"), b"12345"),
        (head("206 Partial", "Content-Range: bytes 700-709/1000", "Content-Length: 10") + bytes(10), b"12345"),
        (head("206 Partial", f"Content-Range: bytes {'9' * 5000}-1/2", "Content-Length: 1") + b"x", b"12345"),
        (head("206 Partial", "Content-Range: pages 1-2/3", "Content-Length: 1") + b"x", b""),
        (head("200 OK", f"Content-Length: {'9' * 5000}") + b"x", b""),
        (head("200 OK", "Content-Length: 30") + b"short", b""),
        (head("200 OK", "Content-Length: 3", "Content-Length: 4") + b"four", b""),
        (head("200 OK", "Transfer-Encoding: chunked") + b"4\r\nab", b""),
        (head("101 Switching Protocols", "Upgrade: x", "Connection: upgrade"), b""),
        (bytes(range(256)), b""),
    ],
)
def test_what_a_source_says_of_its_length_is_not_believed(answer: bytes, had: bytes) -> None:
    with answering(answer) as url, pytest.raises(SourceAway):
        download(url, Kept(had, '"v"' if had else ""))


@pytest.mark.parametrize("location", ["http://[::1", "//a:b:c/", "http://user:secret@127.0.0.1/"])
def test_a_redirect_to_no_address_is_refused(location: str) -> None:
    with answering(head("302 Found", f"Location: {location}", "Content-Length: 0")) as url:
        code = "url_refused" if "[" in location else "url_not_allowed"
        assert "secret" not in refused(url, code)


@pytest.mark.parametrize("location", ["/a talk.mp3", "/f\xc3\xbcr.mp3", "/50%25?q=a b"])
def test_a_redirect_is_read_as_browsers_read_it(location: str) -> None:
    redirect = head("302 Found", f"Location: {location}", "Content-Length: 0")
    with answering(redirect, head("200 OK", "Content-Length: 3") + b"abc") as url:
        assert download(url).body == b"abc"


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.1 200 OK\r\nX: ", b"y"), (head("200 OK"), b"\0")],
    ids=["answers before the answer", "a head", "a body"],
)
def test_a_download_that_is_not_wanted_any_more_ends_though_bytes_come(begins: bytes, goes_on: bytes) -> None:
    class Unwanted(Exception):
        pass

    def check() -> None:
        raise Unwanted

    downloader = Downloader(AddressBook(LOOPBACK, resolve), tls_context(None), LIMITS)
    with answering(begins, then=goes_on) as url, pytest.raises(Unwanted):
        downloader.download(url, Kept(), check)


def test_one_that_comes_in_chunks_of_a_byte_keeps_no_core_busy() -> None:
    limits = DownloadLimits(max_bytes=1 << 40, timeout=60.0, stall=30.0, least=4096)
    with answering(head("200 OK", "transfer-encoding: chunked"), then=b"1\r\na\r\n" * 500) as url:
        assert "pieces" in refused(url, "url_refused", limits=limits)
