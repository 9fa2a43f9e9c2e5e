"""One server's HTTP, with patience: what may be repeated is repeated while the server is away or full."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from whisper_native.errors import KeyRefused, ServerAway, Stopped, failure_of

TIMEOUT = httpx.Timeout(60.0, connect=10.0)  # seconds; events come every 10 s at least
LOOPBACK = ("localhost", "127.0.0.1", "::1")
FIRST_PAUSE = 0.5  # seconds between two tries, unless the server says otherwise; twice as long each time …
FIRST_RETURN = 0.25  # … and to a stream that broke …
MAX_PAUSE = 5.0  # … up to this
PASSING = (408, 429, 502, 503)  # and 409 with the code of a key in use


class Connection:
    """url: with or without /v1. patience: seconds to try again for, from the first trouble on. stop: set to leave
    everything."""

    def __init__(self, url: str, key: str | None, patience: float, stop: threading.Event | None = None) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self.stop = stop or threading.Event()
        self._patience = patience
        self._has_answered = False
        is_near = _host(self.url) in LOOPBACK
        self._client = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {_sendable(key)}"} if key else {},
            timeout=TIMEOUT,
            verify=self.url.startswith("https:"),  # without TLS no certificates are to be read
            trust_env=not is_near,  # a proxy has no business on this machine
            limits=httpx.Limits(max_connections=None),
        )

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer, which is 2xx; raises Failure. request: as httpx takes it."""
        return self.repeated(lambda: self.send(method, path, **request))

    def look(self, path: str) -> httpx.Response:
        """Whatever the answer to a GET is; raises ServerAway."""
        try:
            response = self._client.get(path)
        except httpx.TransportError as error:
            raise self._away(error) from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ServerAway(f"'{self.url}' is not a valid URL: {error}", "invalid_url") from None
        self._has_answered = True
        return response

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Once, whatever the answer is."""
        return self._client.request(method, path, **request)

    def repeated(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """What `send` gives once it is 2xx. Trouble that passes is waited for; the rest raises Failure."""
        deadline, pause = math.inf, FIRST_PAUSE
        while True:
            try:
                response = send()
            except httpx.TransportError as error:
                deadline = min(deadline, time.monotonic() + self._patience)  # an upload may take longer than that
                if not self._has_answered or time.monotonic() >= deadline:
                    raise self._away(error) from None
                asked = 0.0
            else:
                self._has_answered = True
                if response.is_success:
                    return response
                failure = failure_of(response.status_code, json_of(response))
                deadline = min(deadline, time.monotonic() + self._patience)
                if not _passes(response, failure.code) or time.monotonic() >= deadline:
                    raise failure
                asked = _retry_after(response)
            self.pause(min(asked or pause, max(0.0, deadline - time.monotonic())))
            pause = min(pause * 2, MAX_PAUSE)

    def streamed(self, path: str, headers: dict[str, str]) -> contextlib.AbstractContextManager[httpx.Response]:
        return self._client.stream("GET", path, headers=headers)

    def pause(self, seconds: float) -> None:
        """Raises Stopped if the user wants to stop meanwhile."""
        if self.stop.wait(seconds):
            raise Stopped

    def waits(self) -> Iterator[float]:
        """Pauses to come, in seconds, until patience is at its end."""
        deadline, pause = time.monotonic() + self._patience, FIRST_RETURN
        while time.monotonic() < deadline:
            yield pause
            pause = min(pause * 2, MAX_PAUSE)

    def _away(self, error: Exception) -> ServerAway:
        why = str(error) or type(error).__name__
        return ServerAway(f"No server answers at {self.url} ({why}). Start one with: whisper-native serve", "away")


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ServerAway(f"'{url}' is not a valid URL: {error}", "invalid_url") from None
    if not host or parts.scheme.lower() not in ("http", "https"):
        raise ServerAway(f"'{url}' is not the URL of a server; it begins with http:// or https://.", "invalid_url")
    return host


def _sendable(key: str) -> str:
    """HTTP has no other letters, and what is wrong with a key must not be told with it."""
    if not all("!" <= letter <= "~" for letter in key):
        message = "The key holds spaces, line breaks or letters that no key can have. Copy it again"
        raise KeyRefused(f"{message}, or log in with: whisper-native login", "invalid_api_key")
    return key


def json_of(response: httpx.Response) -> Any:
    """None for what is no JSON."""
    try:
        return response.json()
    except ValueError:
        return None


def _passes(response: httpx.Response, code: str) -> bool:
    return response.status_code in PASSING or code == "idempotency_key_in_use"


def _retry_after(response: httpx.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("retry-after", "0")))
    except ValueError:  # a date
        return 0.0
