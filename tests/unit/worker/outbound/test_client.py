"""One call: to the checked address, within its time, and whatever happens is an answer."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme

from tests.receiver import Receiver, Reply, receiving, statuses
from worker.outbound.addresses import AddressBook, Policy, Resolve, resolve
from worker.outbound.answer import Answer
from worker.outbound.client import MAX_ANSWER, WebhookClient, tls_context

LOOPBACK = Policy((ipaddress.ip_network("127.0.0.0/8"),))


def call(
    url: str,
    policy: Policy = LOOPBACK,
    *,
    timeout: float = 10.0,
    resolver: Resolve = resolve,
    tls: ssl.SSLContext | None = None,
    body: bytes = b"{}",
    **headers: str,
) -> Answer:
    caller = WebhookClient(AddressBook(policy, resolver), tls or tls_context(None), timeout)
    return caller.call(url, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example.com").configure_cert(context)
    with receiving(tls=context) as receiver:
        yield receiver


def to_loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def test_a_post_with_the_bytes_and_the_headers_and_none_twice() -> None:
    with receiving() as receiver:
        assert call(receiver.url("/a?b=c"), body=b'{"a":"\xc3\xb6"}', Authorization="Bearer x").status == 200
        [request] = receiver.wait(1)
    assert (request.method, request.path, request.body) == ("POST", "/a?b=c", b'{"a":"\xc3\xb6"}')
    assert request.headers["authorization"] == "Bearer x"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["content-type"] == "application/json"
    assert len(set(request.header_names)) == len(request.header_names)


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with receiving() as inner, receiving(statuses(Reply(302, {"location": inner.url("/secret")}))) as outer:
        assert call(outer.url()).status == 302
        assert inner.requests == []


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        assert call(receiver.url()).status == 200
        assert proxy.requests == []


def test_what_is_refused_is_never_dialled() -> None:
    with receiving() as receiver:
        answer = call(receiver.url(), Policy())
        assert answer.status is None
        assert "WHISPER_WEBHOOK_ALLOWED_HOSTS=127.0.0.1" in (answer.error or "")
        assert receiver.requests == []


@pytest.mark.fault(57)
def test_a_name_is_resolved_once_for_a_call_and_what_was_checked_is_dialled() -> None:
    """A name server that says something else the next time changes nothing."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with receiving() as receiver:
        url = receiver.url(host="rebind.example.com")
        assert call(url, resolver=rebinding).status == 200
        assert call(url, resolver=rebinding).status is None
        assert asked == ["rebind.example.com"] * 2
        [request] = receiver.requests
        assert request.headers["host"] == f"rebind.example.com:{receiver.port}"


def test_where_one_address_is_dead_the_next_is_tried() -> None:
    policy = Policy((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1")))
    with receiving() as receiver:
        url = receiver.url(host="two.example.com")
        assert call(url, policy, resolver=lambda host, port: ["::1", "127.0.0.1"]).status == 200


@pytest.mark.fault(38)
@pytest.mark.parametrize("reply", [Reply(silent=60), Reply(500, silent=60)], ids=["200", "500"])
def test_a_receiver_that_does_not_answer_is_left_in_time(reply: Reply) -> None:
    with receiving(statuses(reply)) as receiver:
        began = time.monotonic()
        answer = call(receiver.url(), timeout=0.05)
        assert time.monotonic() - began < 30
    assert answer == Answer(None, "There was no answer within 0.05 s.")


@pytest.mark.fault(38)
def test_a_receiver_that_sends_a_byte_now_and_then_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        began = time.monotonic()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    while time.monotonic() - began < 60:
                        connection.sendall(b"H")
                        threading.Event().wait(0.01)
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        answer = call(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=0.1)
        assert time.monotonic() - began < 30
        thread.join()
    assert answer.status is None


@pytest.mark.fault(38)
@pytest.mark.parametrize("status", [200, 500])
def test_of_an_endless_answer_a_little_is_read(status: int) -> None:
    with receiving(statuses(Reply(status, body=b"", endless=True))) as receiver:
        began = time.monotonic()
        answer = call(receiver.url())
        assert time.monotonic() - began < 5
    assert (answer.status, len(answer.body)) == (status, MAX_ANSWER)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nx" * 9000])
def test_what_is_no_answer_is_told_in_words(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        found = call(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=5)
        thread.join()
    assert found.status is None
    assert "could not be reached" in (found.error or "")


def test_nobody_there_is_told_in_words() -> None:
    with receiving() as receiver:
        url = receiver.url()
    answer = call(url)
    assert answer.status is None
    assert "refused" in (answer.error or "").lower()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7),
        ("0", 0),
        ("-5", 0),
        ("soon", None),
        ("9" * 400, None),
        ("Mon, 01 Jan 99999999999999 00:00:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds(header: str, expected: float | None) -> None:
    assert retry_after(header) == expected


@pytest.mark.parametrize(("ahead", "expected"), [(3600, 3600), (-3600, 0)])
def test_retry_after_may_be_a_date(ahead: float, expected: float) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    assert retry_after(date) == pytest.approx(expected, abs=30)


def retry_after(header: str) -> float | None:
    with receiving(statuses(Reply(503, {"retry-after": header}))) as receiver:
        return call(receiver.url()).retry_after


@pytest.mark.fault(42)
def test_a_certificate_nobody_vouches_for_is_refused_and_the_remedy_is_named(secure: Receiver) -> None:
    answer = call(secure.url(host="hooks.example.com"), resolver=to_loopback)
    assert answer.status is None
    assert "certificate is not trusted" in (answer.error or "")
    assert "WHISPER_WEBHOOK_CA_FILE" in (answer.error or "")
    assert secure.requests == []


@pytest.mark.fault(42)
def test_with_its_authority_it_is_trusted_for_its_own_name_alone(
    secure: Receiver, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = tls_context(tmp_path / "ca.pem")
    assert call(secure.url(host="hooks.example.com"), resolver=to_loopback, tls=tls).status == 200
    answer = call(secure.url(host="other.example.com"), resolver=to_loopback, tls=tls)
    assert answer.status is None
    assert "certificate is not trusted" in (answer.error or "")
    assert len(secure.requests) == 1
