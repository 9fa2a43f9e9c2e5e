"""The request line as clients write it: base URLs with and without `/v1`, a slash at the end, HEAD wherever GET is."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What clients of the OpenAI API put behind their base URL.
_BEHIND_BASE_URL = ("/audio/transcriptions", "/audio/translations", "/models", "/jobs")
_DASHBOARD = "/rq"  # its own pages say how they are spelled


class RequestLine:
    """Hands requests on as the routes have them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_within(scope["path"], _DASHBOARD):
            await self._app(scope, receive, send)
            return
        meant = {**scope, "path": meant_path(scope["path"])}
        if scope["method"] != "HEAD":
            await self._app(meant, receive, send)
            return
        head = _Head(send)
        await self._app({**meant, "method": "GET"}, head.receive, head.send)


def meant_path(path: str) -> str:
    """The path of a route, for what a client makes of a base URL."""
    plain = path.rstrip("/") or "/"
    bare = plain.removeprefix("/v1") if plain.startswith("/v1/v1/") else plain
    return f"/v1{bare}" if any(_is_within(bare, each) for each in _BEHIND_BASE_URL) else bare


def _is_within(path: str, start: str) -> bool:
    return path == start or path.startswith(f"{start}/")


class _Head:
    """The answer of a GET without its body. A stream is left as soon as it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._has_begun = asyncio.Event()

    async def receive(self) -> Message:
        await self._has_begun.wait()  # there is no body to come
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._has_begun.is_set():
            return
        await self._send(message)
        if message["type"] == "http.response.start":
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            self._has_begun.set()
