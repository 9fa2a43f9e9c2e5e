"""Who may use the service, decided from a request's headers before the first byte of its body is read.

With API keys everyone needs one, and its name owns the jobs; a browser may have signed in with it. Without keys only
programs on this machine are served: neither a proxy nor a container that arrives through one, nor a web page of another
site in this machine's browser.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
from contextlib import suppress
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.cross_origin import (
    CONTAINER_HOSTS,
    check_origin,
    check_own_page,
    host_name,
    is_known,
    is_loopback,
    is_preflight,
    preflight_answer,
)
from api.http.errors import ApiError
from api.http.sessions.cookie import Sessions, cookie_name, hide, presented
from api.settings import LOCAL_OWNER, ApiSettings

READY = "/health/ready"  # which tells more to whoever may use the service
OPEN_PATHS = ("/health", READY)
PAGE = "/page"  # and all below, as `/`: only code
SESSION = "/session"  # says itself whether somebody is signed in

# A request that came through something else, which may stand anywhere.
_FORWARDED = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port",
    "x-forwarded-server", "x-real-ip", "x-client-ip", "x-original-host", "cf-connecting-ip", "true-client-ip",
)  # fmt: skip

_READING = ("GET", "HEAD")
_SEND_KEY = "Send it as 'Authorization: Bearer <key>', as 'X-API-Key: <key>', or as the password of HTTP Basic."
_KEY_HEADERS = ("x-api-key", "api-key")
_KEYLESS = (
    "This server has no API keys, so it serves only programs on its own machine, called directly. Set "
    "WHISPER_API_KEYS=name:key in its .env, restart it and send the key as 'Authorization: Bearer <key>'; or set "
    "WHISPER_ALLOW_ANONYMOUS=true to let everyone in."
)


class Access:
    """Refuses, or puts the owner's name into the request's state."""

    def __init__(self, app: ASGIApp, settings: ApiSettings, sessions: Sessions) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if is_preflight(scope["method"], headers):
                check_origin(headers, self._settings)
                await preflight_answer(headers)(scope, receive, send)
                return
            if not _is_open(scope["path"]):
                scope.setdefault("state", {})["owner"] = self._owner(scope, headers)
            elif scope["path"] == READY:
                with suppress(ApiError):
                    scope.setdefault("state", {})["owner"] = self._owner(scope, headers)
        except ApiError as error:
            _challenge(error, scope["path"])
            await error.response()(scope, receive, send)
            return
        hide(scope)
        await self._app(scope, receive, send)

    def _owner(self, scope: Scope, headers: Headers) -> str | None:
        """None for a browser that nobody has signed in with yet, on its way to that."""
        cookie = presented(headers, cookie_name((scope.get("server") or ("", 0))[1]))
        signed_in = self._sessions.owner(cookie) if cookie else None
        try:
            return owner_of(headers, _peer(scope), scope["method"], self._settings, signed_in)
        except ApiError as error:
            if scope["path"] == SESSION and self._settings.api_keys and error.code == "invalid_api_key":
                return None
            raise


async def _owner(request: Request) -> str:
    owner: str = request.state.owner
    return owner


Owner = Annotated[str, Depends(_owner)]
"""Whose request it is: the name of its API key, or `local`."""


async def _known_owner(request: Request) -> str | None:
    owner: str | None = getattr(request.state, "owner", None)
    return owner


KnownOwner = Annotated[str | None, Depends(_known_owner)]
"""As `Owner`, on a path that is open to all: None for whoever is served nothing else."""


def owner_of(
    headers: Headers, peer: str | None, method: str, settings: ApiSettings, signed_in: str | None = None
) -> str:
    """The owner's name; raises ApiError if the request is refused. peer: the caller's IP address. signed_in: the owner
    by a cookie, which counts if no key is sent."""
    authorization = _authorization(headers)
    if signed_in and not authorization:
        check_own_page(headers, needs_proof=method not in _READING)
        return signed_in
    if settings.api_keys and (authorization or not settings.allow_anonymous):
        owner = _key_name(authorization, settings)
        is_remembered = authorization.lower().startswith("basic ")  # browsers add a known password to any site's form
        if not is_remembered or method not in _READING:
            check_origin(headers, settings, named=is_remembered)
        return owner
    if not settings.allow_anonymous:
        if not _is_direct(headers, peer):
            raise ApiError("invalid_api_key", _KEYLESS)
        _check_host(headers, settings)
    check_origin(headers, settings)
    return LOCAL_OWNER


def _challenge(error: ApiError, path: str) -> None:
    if error.status == 401:
        is_page = path in ("/rq", "/docs") or path.startswith(("/rq/", "/docs/"))
        error.headers["www-authenticate"] = 'Basic realm="whisper-native", charset="UTF-8"' if is_page else "Bearer"


def _is_open(path: str) -> bool:
    return path in (*OPEN_PATHS, "/", PAGE) or path.startswith(f"{PAGE}/")


def _peer(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


def _authorization(headers: Headers) -> str:
    """What a client has to show, in the words of `Authorization`. Empty values are what form builders send."""
    if authorization := headers.get("authorization", "").strip():
        return authorization
    return next((f"Bearer {key}" for name in _KEY_HEADERS if (key := headers.get(name, "").strip())), "")


def _key_name(authorization: str, settings: ApiSettings) -> str:
    if not authorization:
        raise ApiError("invalid_api_key", f"An API key is needed (one of the server's WHISPER_API_KEYS). {_SEND_KEY}")
    presented = _presented_key(authorization).encode()
    found = None
    for name, key in settings.api_keys.items():  # all of them, so that the time says nothing
        if hmac.compare_digest(presented, key.get_secret_value().encode()):
            found = name
    if found is None:
        raise ApiError(
            "invalid_api_key", f"Invalid API key: it is not among the server's WHISPER_API_KEYS. {_SEND_KEY}"
        )
    return found


def _presented_key(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except ValueError:  # no base64, or nothing in UTF-8
        return ""


def _is_direct(headers: Headers, peer: str | None) -> bool:
    """Whether the caller is a program on this machine that calls us without anything in between."""
    if peer is None or not is_loopback(peer) or any(name in headers for name in _FORWARDED):
        return False
    return host_name(headers.get("host", "")) not in CONTAINER_HOSTS


def _check_host(headers: Headers, settings: ApiSettings) -> None:
    # A web page can make its own name resolve to 127.0.0.1, but cannot make the browser send another name.
    name = host_name(headers.get("host", ""))
    if name and not _is_address(name) and not is_known(name, settings):
        raise ApiError(
            "host_not_allowed",
            f"This server does not know itself as '{name[:100]}'. Call it as localhost, or add the name to "
            "WHISPER_ALLOWED_HOSTS in its .env and restart it.",
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
