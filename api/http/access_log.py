"""What goes around every answer: a request id, the headers browsers need, a line in the log, the last resort."""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.errors import shortage, unexpected
from worker.runtime import logs

log = logging.getLogger("api.http.access")

_POLICY = "default-src 'none'; frame-ancestors 'none'"
# rq dashboard's pages are made of inline scripts and templates that are compiled in the browser
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "content-security-policy": _POLICY,
    "cache-control": "no-store",
}
_DASHBOARD_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'"
)
_JOB = re.compile(r"job_[0-9a-f]{28}")
_QUIET = ("/health", "/health/ready")  # monitors ask for these every few seconds
_MAX_PATH = 500  # characters of a path in the log


class AccessLog:
    """Around all that can fail."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        logs.request_id.set(exchange.id)
        logs.job_id.set(exchange.job_id)
        try:
            await self._app(scope, receive, exchange.send)
        except ClientDisconnect:
            log.info("%s client left", exchange.line)
        except Exception as error:
            refusal = shortage(error)
            if refusal:
                log.error("%s: %s", exchange.line, refusal.message)
            else:
                log.exception("%s failed", exchange.line)
            if exchange.status:  # too late for another answer
                raise
            await (refusal or unexpected()).response()(scope, receive, exchange.send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.status = 0
        self._path: str = scope["path"]
        self.id = f"req_{secrets.token_hex(12)}"
        shown = self._path[:_MAX_PATH]
        found = _JOB.search(shown)
        self.job_id = found[0] if found else ""  # of a new job: whoever makes it sets it
        self._send = send
        self._began = time.monotonic()
        peer = (scope.get("client") or ("-",))[0]
        self.line = f"{peer} {scope['method']} {shown!r} {self.id}"  # never the query: it may hold a key

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._add_headers(MutableHeaders(scope=message))
            level = logging.DEBUG if self._path in _QUIET else logging.INFO
            log.log(level, "%s %d %.0f ms", self.line, self.status, (time.monotonic() - self._began) * 1000)
        await self._send(message)

    def _add_headers(self, headers: MutableHeaders) -> None:
        headers["x-request-id"] = self.id
        if self._path == "/rq" or self._path.startswith("/rq/"):
            headers.setdefault("content-security-policy", _DASHBOARD_POLICY)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
