"""One call: a POST to a checked address, and what came of it. No redirects, no proxies, no second tries."""

from __future__ import annotations

import email.utils
import logging
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpcore2
import truststore

from worker.outbound.addresses import AddressBook, Unresolved
from worker.outbound.answer import Answer
from worker.outbound.target import Refused, Target
from worker.outbound.wire import Allowance, CheckedNetwork

MAX_ANSWER = 64 * 1024  # bytes that are read of an answer
USER_AGENT = "whisper-native"

log = logging.getLogger(__name__)


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts what this system trusts, and the authorities in `ca_file` besides."""
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    return context


class WebhookClient:
    """timeout: seconds for all of a call, from the first connection to the end of the answer."""

    def __init__(self, book: AddressBook, tls: ssl.SSLContext, timeout: float) -> None:
        self._book = book
        self._tls = tls
        self._timeout = timeout

    def call(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Whatever goes wrong is an answer too."""
        try:
            target = Target.parse(url)
            return self._post(target, headers, body)
        except (Refused, Unresolved) as error:
            return Answer(None, str(error))
        except httpcore2.TimeoutException:
            return Answer(None, f"There was no answer within {self._timeout:g} s.")
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            return Answer(None, explained(error, "receiver"))
        except Exception as error:  # what nobody foresaw must not keep an attempt from being counted
            log.exception("A webhook failed in an unforeseen way")
            return Answer(None, f"The call failed ({type(error).__name__}).")

    def _post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        network = CheckedNetwork(self._book, target, Allowance(time.monotonic() + self._timeout))
        scheme, host = target.scheme.encode(), target.host.encode()
        request = httpcore2.Request(
            "POST",
            httpcore2.URL(scheme=scheme, host=host, port=target.port, target=target.path.encode()),
            headers=_head(target, headers, body),
            content=body,
        )
        origin = httpcore2.Origin(scheme=scheme, host=host, port=target.port)
        with httpcore2.HTTPConnection(origin, ssl_context=self._tls, network_backend=network) as connection:
            response = connection.handle_request(request)
            try:
                return _answer(response)
            finally:
                response.close()


def _head(target: Target, headers: Mapping[str, str], body: bytes) -> list[tuple[bytes, bytes]]:
    ours = {
        "host": target.authority,
        "user-agent": USER_AGENT,
        "accept": "*/*",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    given = {name.lower(): value for name, value in headers.items()}
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in {**ours, **given}.items()]


def _answer(response: httpcore2.Response) -> Answer:
    """The status is the answer: a body that never ends, or breaks off, changes nothing about it."""
    body = b""
    try:
        for chunk in response.iter_stream():
            body += chunk
            if len(body) >= MAX_ANSWER:
                break
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
        pass  # it is what was read that counts
    return Answer(response.status, None, _retry_after(response), body[:MAX_ANSWER])


def _retry_after(response: httpcore2.Response) -> float | None:
    """Seconds from now; the header holds those or a date."""
    text = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"").decode("latin-1")
    try:
        return max(0.0, float(int(text)))
    except OverflowError:
        return None
    except ValueError:
        pass
    try:
        date = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def explained(error: Exception, who: str) -> str:
    """Why a call failed. who: was called."""
    cause = error.__cause__
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__
    if cause is not None:
        return (
            f"The {who}'s certificate is not trusted: {cause.verify_message}. If an authority of your own signed "
            "it, set WHISPER_WEBHOOK_CA_FILE to that authority's certificate and restart the service."
        )
    return f"The {who} could not be reached: {error or type(error).__name__}."[:500]
