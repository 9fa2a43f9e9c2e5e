"""Web pages of other origins: which may use the service, and what browsers need to hear for that (CORS).

A page is let in if it is of this machine, if its host is among WHISPER_ALLOWED_HOSTS, or if its origin is among
WHISPER_CORS_ORIGINS; only then may it read the answers. Cookies and passwords that a browser remembers are never asked
for, so no page but ours has more than the key that it sends itself.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.errors import ApiError
from api.settings import ANY_ORIGIN, ApiSettings

# Names by which a container calls its host. Docker Desktop hands such calls over from 127.0.0.1.
CONTAINER_HOSTS = ("host.docker.internal", "gateway.docker.internal", "host.containers.internal")

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
# What a page may read besides its answer; browsers hide all other headers.
EXPOSED = (
    "accept-ranges, content-disposition, content-range, etag, location, preference-applied, retry-after, "
    "www-authenticate, x-request-id, x-should-retry, x-whisper-warnings"
)
MAX_AGE = 600  # seconds for which a browser need not ask again
_MAX_ASKED = 2000  # characters of the list of headers that a page wants to send


class CrossOrigin:
    """Around every answer: pages of allowed origins may read it, also a refusal."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else None
        if headers is None or "origin" not in headers:
            await self._app(scope, receive, send)
            return
        origin = headers["origin"] if may_read(headers, self._settings) else None

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                _mark(MutableHeaders(scope=message), origin)
            await send(message)

        await self._app(scope, receive, send_marked)


def _mark(headers: MutableHeaders, origin: str | None) -> None:
    headers.add_vary_header("Origin")
    if origin is not None:
        headers["access-control-allow-origin"] = origin
        headers["access-control-expose-headers"] = EXPOSED
        headers["cross-origin-resource-policy"] = "cross-origin"


def is_preflight(method: str, headers: Headers) -> bool:
    """Whether a browser asks if a page may send a request; it sends no key along."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight_answer(headers: Headers) -> Response:
    """That the page may send what it asks for; `CrossOrigin` adds whose page."""
    granted = {"access-control-allow-methods": METHODS, "access-control-max-age": str(MAX_AGE)}
    if asked := headers.get("access-control-request-headers", "")[:_MAX_ASKED]:
        granted["access-control-allow-headers"] = asked  # `*` would leave out Authorization
    if headers.get("access-control-request-private-network") == "true":
        granted["access-control-allow-private-network"] = "true"
    return Response(status_code=204, headers={**granted, "vary": "Access-Control-Request-Headers"})


def may_read(headers: Headers, settings: ApiSettings) -> bool:
    """Whether the request comes from a page that is let in. Of a page of our own too."""
    return ANY_ORIGIN in settings.cors_origins or may_write(headers, settings)


def may_write(headers: Headers, settings: ApiSettings) -> bool:
    """As `may_read`, of pages that are named: also good for what browsers send along by themselves."""
    origin = headers.get("origin", "")
    if is_same_origin(headers) or origin.lower() in settings.cors_origins:
        return True
    name = _origin_name(origin)
    return bool(name) and (is_loopback(name) or is_known(name, settings))


def check_origin(headers: Headers, settings: ApiSettings, *, named: bool = False) -> None:
    """Raises ApiError for a request from a page that is not let in. named: `*` is not enough."""
    if "origin" not in headers or (may_write if named else may_read)(headers, settings):
        return
    origin = headers["origin"][:100]
    remedy = f"To let them, set WHISPER_CORS_ORIGINS={origin} in the server's .env and restart it."
    if origin == "null":  # a file, a sandboxed frame: anybody's
        remedy = "Serve the page from an address, and name that in WHISPER_CORS_ORIGINS in the server's .env."
    raise ApiError("origin_not_allowed", f"Web pages of '{origin}' may not use this server. {remedy}")


def check_own_page(headers: Headers, *, needs_proof: bool = False) -> None:
    """Raises ApiError for what a browser sends for a page that is not ours. A page at another port of this host is of
    the same site, so its requests have our cookie. needs_proof: the browser has to say that it is ours."""
    site = headers.get("sec-fetch-site", "").strip().lower()
    is_ours = site == "same-origin" or is_same_origin(headers)  # behind some proxies only the former tells
    is_link = headers.get("sec-fetch-mode", "") == "navigate"  # whose answer the other page cannot read
    is_silent = "origin" not in headers and (site in ("", "none") or is_link)
    if not is_ours and (needs_proof or not is_silent):
        message = "Only this service's own page may send this. Programs send 'Authorization: Bearer <key>'."
        raise ApiError("origin_not_allowed", message)


def is_same_origin(headers: Headers) -> bool:
    """Whether a browser says that the request comes from a page of ours."""
    host = headers.get("host", "")
    return bool(host) and headers.get("origin", "").partition("://")[2].lower() == host.lower()


def _origin_name(origin: str) -> str:
    """The host's name; empty for what is not an origin of the web."""
    try:
        return host_name(urlsplit(origin).netloc) if origin.startswith(("http://", "https://")) else ""
    except ValueError:  # such as "http://["
        return ""


def is_known(name: str, settings: ApiSettings) -> bool:
    """Whether a host's name is this machine's."""
    return name == "localhost" or name in CONTAINER_HOSTS or name in settings.allowed_hosts


def host_name(netloc: str) -> str:
    """The name in `name:port`, `[::1]:port` …, in lower case."""
    name = netloc.rpartition("@")[2].lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def is_loopback(text: str) -> bool:
    """Whether it is an address by which only this machine reaches itself."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
