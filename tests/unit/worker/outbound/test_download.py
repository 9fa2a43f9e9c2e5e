"""A download: from checked addresses alone, redirects too, bounded, and gone on with if it broke off."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

import pytest

from tests.receiver import Receiver, Reply, receiving, statuses
from tests.source import serves
from worker.outbound.addresses import RECORDINGS, AddressBook, Policy, Resolve, resolve
from worker.outbound.client import tls_context
from worker.outbound.download import MAX_REDIRECTS, Downloader, DownloadLimits, SourceAway, SourceRefused

BODY = bytes(range(256)) * 1024
LIMITS = DownloadLimits(max_bytes=len(BODY), timeout=60.0, stall=30.0, least=1024)
LOOPBACK = Policy((ipaddress.ip_network("127.0.0.0/8"),), purpose=RECORDINGS)


@dataclass
class Kept:
    """A sink in memory."""

    body: bytes = b""
    validator: str = ""

    @property
    def size(self) -> int:
        return len(self.body)

    def begin(self, validator: str) -> None:
        self.body, self.validator = b"", validator

    def write(self, chunk: bytes) -> None:
        self.body += chunk


def nothing() -> None:
    return None


def download(
    url: str,
    into: Kept | None = None,
    policy: Policy = LOOPBACK,
    limits: DownloadLimits = LIMITS,
    resolver: Resolve = resolve,
) -> Kept:
    into = into or Kept()
    Downloader(AddressBook(policy, resolver), tls_context(None), limits).download(url, into, nothing)
    return into


def refused(url: str, code: str, **how: object) -> str:
    with pytest.raises(SourceRefused) as caught:
        download(url, **how)  # type: ignore[arg-type]  # as the test has them
    assert caught.value.code == code
    return str(caught.value)


def test_the_whole_of_it_and_nothing_encoded() -> None:
    with receiving(serves(BODY)) as source:
        assert download(source.url("/a b.wav".replace(" ", "%20"))).body == BODY
        [request] = source.wait(1)
    assert (request.method, request.path) == ("GET", "/a%20b.wav")
    assert request.headers["accept-encoding"] == "identity"
    assert "authorization" not in request.headers


def test_what_broke_off_goes_on_where_it_was() -> None:
    into = Kept()
    with receiving(serves(BODY, Reply(body=BODY, cut=100_000))) as source:
        with pytest.raises(SourceAway):
            download(source.url(), into)
        assert 0 < into.size < len(BODY)
        was = into.size
        assert download(source.url(), into).body == BODY
        again = source.wait(2)[1]
    assert again.headers["range"] == f"bytes={was}-"


def test_another_version_is_fetched_from_its_beginning() -> None:
    into = Kept(b"of an older one", '"older"')
    with receiving(serves(BODY)) as source:
        assert download(source.url(), into).body == BODY


@pytest.mark.parametrize("size", [len(BODY), len(BODY) + 5])
def test_a_part_that_there_is_not_is_begun_anew(size: int) -> None:
    with receiving(serves(BODY)) as source:
        first = download(source.url())
        into = Kept(bytes(size), first.validator)
        with pytest.raises(SourceAway):
            download(source.url(), into)
        assert into.size == 0


@pytest.mark.fault(163)
def test_redirects_are_followed_and_each_is_checked() -> None:
    with receiving(serves(BODY)) as inner, receiving(statuses(Reply(302, {"location": inner.url("/there")}))) as outer:
        assert download(outer.url()).body == BODY
        policy = Policy(hosts=frozenset({f"localhost:{outer.port}"}), purpose=RECORDINGS)
        message = refused(outer.url(host="localhost"), "url_not_allowed", policy=policy)
        assert len(inner.wait(1)) == 1, "the second one was refused before it was dialled"
    assert "WHISPER_URL_ALLOWED_HOSTS" in message


def test_a_redirect_within_the_host_may_be_relative() -> None:
    with receiving(serves(BODY, Reply(307, {"location": "../b?c"}))) as source:
        assert download(source.url("/x/a")).body == BODY
        assert source.wait(2)[1].path == "/b?c"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/a", "gopher://127.0.0.1:70/_", ""])
def test_a_redirect_to_what_is_no_http_is_refused(location: str) -> None:
    with receiving(statuses(Reply(302, {"location": location} if location else {}))) as source:
        refused(source.url(), "url_not_allowed" if location else "url_refused")


def test_redirects_in_a_circle_end() -> None:
    with receiving(lambda number, request: Reply(302, {"location": "/again"})) as source:
        refused(source.url(), "url_refused")
        assert len(source.requests) == MAX_REDIRECTS + 1


def test_credentials_go_to_their_own_host_alone() -> None:
    with receiving(serves(BODY)) as other, receiving(statuses(Reply(302, {"location": other.url()}))) as source:
        url = source.url().replace("://", "://anna:s%40crt@")
        download(url)
        assert source.requests[0].headers["authorization"] == "Basic YW5uYTpzQGNydA=="
        assert "authorization" not in other.requests[0].headers


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "url_not_found"), (410, "url_not_found"), (401, "url_refused"), (403, "url_refused"), (400, "url_refused")],
)
def test_what_is_the_sources_fault_is_final(status: int, code: str) -> None:
    with receiving(statuses(status)) as source:
        assert str(status) in refused(source.url("/secret?sig=s3cret"), code)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_not(status: int) -> None:
    with receiving(statuses(status)) as source, pytest.raises(SourceAway, match=str(status)):
        download(source.url())


def test_a_source_that_is_not_there_may_come() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(SourceAway) as caught:
        download(f"http://127.0.0.1:{port}/a?sig=s3cret")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(SourceAway):
        download("http://nobody.invalid/a")


def test_a_silent_source_is_left() -> None:
    limits = DownloadLimits(len(BODY), timeout=60.0, stall=0.05, least=1024)
    silent = statuses(Reply(body=BODY, cut=100, stays=True))
    with receiving(silent) as source, pytest.raises(SourceAway, match="WHISPER_UPLOAD_STALL"):
        download(source.url(), limits=limits)


def test_one_that_drips_for_ever_is_left() -> None:
    limits = DownloadLimits(1 << 40, timeout=0.1, stall=30.0, least=1)
    with receiving(statuses(Reply(endless=True))) as source, pytest.raises(SourceAway):
        download(source.url(), limits=limits)


@pytest.mark.parametrize("says_so", [True, False])
def test_one_that_is_too_large_is_left_before_it_is_all_there(says_so: bool) -> None:
    into = Kept()
    large = statuses(Reply(body=bytes(3 * len(BODY))) if says_so else Reply(endless=True))
    with receiving(large) as source, pytest.raises(SourceRefused) as caught:
        download(source.url(), into)
    assert caught.value.code == "file_too_large"
    assert into.size <= len(BODY)


def test_an_empty_one_is_refused() -> None:
    with receiving(statuses(Reply(body=b""))) as source:
        refused(source.url(), "empty_file")


def test_a_check_that_raises_ends_it_though_nothing_comes() -> None:
    class Unwanted(Exception):
        pass

    def check() -> None:
        raise Unwanted

    with receiving(statuses(Reply(body=BODY, cut=100, stays=True))) as source, pytest.raises(Unwanted):
        Downloader(AddressBook(LOOPBACK), tls_context(None), LIMITS).download(source.url(), Kept(), check)


@pytest.mark.fault(163)
@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"])
def test_a_name_that_means_an_address_inside_is_refused(address: str) -> None:
    policy = Policy(purpose=RECORDINGS)
    refused("http://innocent.example/a", "url_not_allowed", policy=policy, resolver=lambda host, port: [address])


def test_the_receiver_of_the_tests_is_reached_by_no_name_that_was_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the name means at the second look does not count: it is looked up once."""
    answers = iter(["127.0.0.1", "10.9.9.9"])
    with receiving(serves(BODY)) as source:
        resolver: Resolve = lambda host, port: [next(answers)]  # noqa: E731 - a name that means something else each time
        assert download(f"http://rebound.example:{source.port}/a", resolver=resolver).body == BODY
        assert _host(source) == f"rebound.example:{source.port}"


def _host(source: Receiver) -> str:
    return source.requests[0].headers["host"]
