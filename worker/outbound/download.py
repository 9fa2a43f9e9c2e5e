"""Recordings from addresses that users name: every redirect is checked anew, bytes and time are bounded, and what broke
off goes on where it was, if the source can do that.

url ─► Target ─► checked address ─► GET ─► redirect? the same again ─► 200, 206 ─► the sink, chunk by chunk
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urljoin

import httpcore2

from worker.outbound.addresses import AddressBook, NoAddress, Unresolved
from worker.outbound.client import USER_AGENT, explained
from worker.outbound.target import Refused, Target, without_credentials
from worker.outbound.wire import Allowance, CheckedNetwork

MAX_REDIRECTS = 5
CONNECTING = 20.0  # seconds for a connection, and as many for its TLS
BEAT = 0.5  # seconds between two looks whether the recording is still wanted
MIN_PIECE = 8  # bytes, on average: of smaller ones, parsing keeps a core busy for as long as they come
ENOUGH_PIECES = 1000  # to say so
WHAT = "The recording's URL"

_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 421, 425, 429)  # and all from 500 on
_GONE = (404, 410)
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:([0-9]{1,18})|\*)")
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


class SourceRefused(Exception):
    """It is the source's fault, or the request's: another try would end the same. code: one of the API's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SourceAway(Exception):
    """The source cannot be read now; later it may."""

    code = "url_unreachable"


class Sink(Protocol):
    """Where a recording goes. size: bytes it has. validator: which version of the source they are of, for `If-Range`;
    empty if that is not known, so that nothing can be added to them."""

    @property
    def size(self) -> int: ...

    @property
    def validator(self) -> str: ...

    def begin(self, validator: str) -> None:
        """Drops what there is."""

    def write(self, chunk: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """max_bytes: of a recording. timeout: seconds of an attempt. stall: seconds in which `least` bytes have to come."""

    max_bytes: int
    timeout: float
    stall: float
    least: int


class Downloader:
    """`download` may be called by several threads at once."""

    def __init__(self, book: AddressBook, tls: ssl.SSLContext, limits: DownloadLimits) -> None:
        self._book = book
        self._tls = tls
        self._limits = limits

    def download(self, url: str, sink: Sink, check: Callable[[], None]) -> None:
        """The whole recording, or the rest of it. Raises SourceRefused, SourceAway, and what check and sink raise.

        check: called now and then, also while nothing comes; what it raises ends the download.
        """
        pace = _Pace(self._limits, check)
        while not self._fetch(url, sink, pace):
            pass  # a source may give less than was asked for (RFC 9110, 15.3.7): the rest is asked for next

    def _fetch(self, url: str, sink: Sink, pace: _Pace) -> bool:
        """Whether that is all of it."""
        plain, authorization = without_credentials(url)
        first = _target(plain)
        for _ in range(MAX_REDIRECTS + 1):
            target = _target(plain)
            shown = authorization if target.origin == first.origin else None
            with self._answered(target, shown, sink, pace) as response:
                if response.status not in _REDIRECTS:
                    return self._take(response, sink, pace)
                plain = _next(plain, response)
        raise SourceRefused("url_refused", f"The URL was redirected more than {MAX_REDIRECTS} times.")

    @contextmanager
    def _answered(
        self, target: Target, authorization: str | None, sink: Sink, pace: _Pace
    ) -> Iterator[httpcore2.Response]:
        scheme, host = target.scheme.encode(), target.host.encode()
        allowance = Allowance(pace.deadline, CONNECTING, BEAT, pace.check)
        request = httpcore2.Request(
            "GET",
            httpcore2.URL(scheme=scheme, host=host, port=target.port, target=target.path.encode()),
            headers=_head(target, authorization, sink),
        )
        origin = httpcore2.Origin(scheme=scheme, host=host, port=target.port)
        network = CheckedNetwork(self._book, target, allowance)
        with (
            _told(target.host),
            httpcore2.HTTPConnection(origin, ssl_context=self._tls, network_backend=network) as connection,
        ):
            response = connection.handle_request(request)
            try:
                yield response
            finally:
                response.close()

    def _take(self, response: httpcore2.Response, sink: Sink, pace: _Pace) -> bool:
        if response.status == 416:  # there is no such part: it is another version, or all of it was there
            sink.begin("")
        _check_status(response.status)
        if _header(response, b"content-encoding").lower() not in ("", "identity"):
            raise SourceRefused("url_refused", "The source sends the recording compressed (Content-Encoding).")
        start, total = _part(response) if response.status == 206 else (0, None)
        if start != sink.size and response.status == 206:
            sink.begin("")
            raise SourceAway("The source went on at another place than it was asked to.")
        if not start:
            sink.begin(_validator(response))
        self._check_size(sink.size + int(_header(response, b"content-length") or 0))
        for chunk in response.iter_stream():
            self._check_size(sink.size + len(chunk))
            sink.write(chunk)
            pace.came(len(chunk))
        if not sink.size:
            raise SourceRefused("empty_file", "The source sent an empty file (0 bytes).")
        if total is None or sink.size >= total:
            return True
        if sink.size == start or not sink.validator:
            raise SourceAway(f"The source gave {sink.size} of {total} bytes, and no way to ask for the rest.")
        return False

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_bytes:
            megabytes = self._limits.max_bytes // 1024 // 1024
            message = f"The recording at the URL is larger than this server's limit of {megabytes} MB"
            raise SourceRefused("file_too_large", f"{message}. Compress or split it, or raise WHISPER_MAX_UPLOAD_MB.")


class _Pace:
    """Whether enough comes, and is still wanted."""

    def __init__(self, limits: DownloadLimits, check: Callable[[], None]) -> None:
        self._limits = limits
        self._check = check
        self._checked_at = self._began = time.monotonic()
        self._bytes = self._pieces = 0
        self.deadline = self._began + limits.timeout

    def came(self, size: int) -> None:
        self._bytes += size
        self._pieces += 1
        if self._bytes >= self._limits.least:
            if self._pieces > ENOUGH_PIECES and self._pieces * MIN_PIECE > self._bytes:
                raise SourceRefused("url_refused", "The source sends the recording in pieces of a few bytes.")
            self._began, self._bytes, self._pieces = time.monotonic(), 0, 0
        if time.monotonic() - self._checked_at >= BEAT:
            self.check()
            if time.monotonic() >= self.deadline:  # which reads do not see that bring something at once
                raise SourceAway(f"The source took longer than {self._limits.timeout:g} s (WHISPER_URL_TIMEOUT).")

    def check(self) -> None:
        self._checked_at = time.monotonic()
        self._check()
        if self._checked_at - self._began > self._limits.stall:
            seconds = f"{self._limits.stall:g} s (WHISPER_UPLOAD_STALL)"
            raise SourceAway(f"The source sent less than {self._limits.least} bytes in {seconds}.")


@contextmanager
def _told(host: str) -> Iterator[None]:
    """The network's errors in words that name the host and never the URL."""
    try:
        yield
    except (NoAddress, Unresolved) as error:
        raise SourceAway(str(error)) from None
    except Refused as error:
        raise SourceRefused("url_not_allowed", str(error)) from None
    except httpcore2.TimeoutException:
        raise SourceAway(f"'{host}' did not answer in time.") from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        raise SourceAway(f"'{host}': {explained(error, 'source')}") from None


def _target(url: str) -> Target:
    try:
        return Target.parse(url, WHAT)
    except Refused as error:
        raise SourceRefused("url_not_allowed", str(error)) from None


def _next(url: str, response: httpcore2.Response) -> str:
    location = _header(response, b"location")
    if not location:
        raise SourceRefused("url_refused", f"The source answered {response.status} without saying where to go.")
    encoded = quote(location.encode("latin-1"), safe=_VISIBLE)  # as browsers do with spaces and letters beyond ASCII
    try:
        return urljoin(url, encoded)
    except ValueError:
        raise SourceRefused("url_refused", "The source redirects to what is not a valid URL.") from None


def _head(target: Target, authorization: str | None, sink: Sink) -> list[tuple[bytes, bytes]]:
    head = {
        "host": target.authority,
        "user-agent": USER_AGENT,
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "close",
    }
    if authorization:
        head["authorization"] = authorization
    if sink.size and sink.validator:
        head |= {"range": f"bytes={sink.size}-", "if-range": sink.validator}
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in head.items()]


def _check_status(status: int) -> None:
    if status in (200, 206):
        return
    if status in _GONE:
        raise SourceRefused("url_not_found", f"There is nothing at the URL any more: the source answered {status}.")
    if status in _PASSING or status >= 500 or status == 416:
        raise SourceAway(f"The source answered {status}.")
    remedy = " Send a URL that is valid for some hours." if status in (401, 403) else ""
    raise SourceRefused("url_refused", f"The source does not give the recording: it answered {status}.{remedy}")


def _validator(response: httpcore2.Response) -> str:
    """Of RFC 9110's strong ones."""
    tag = _header(response, b"etag")
    return _header(response, b"last-modified") if not tag or tag.startswith("W/") else tag


def _part(response: httpcore2.Response) -> tuple[int | None, int | None]:
    """Where the part begins, and how many bytes there are in all; None for what is not said."""
    found = _RANGE.fullmatch(_header(response, b"content-range"))
    return (int(found[1]), int(found[2]) if found[2] else None) if found else (None, None)


def _header(response: httpcore2.Response, name: bytes) -> str:
    return next((value for key, value in response.headers if key.lower() == name), b"").decode("latin-1").strip()
