"""Lets a client read why it was refused.

A server that answers before it has read the whole upload and then closes makes the operating system reset the
connection; the client, still sending, sees a broken pipe instead of the answer. So the answer goes out at once,
and its end waits while the rest of the upload is read and thrown away, within limits.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 32 * 1024 * 1024
MAX_SECONDS = 5.0


class RefusedUploadDrain:
    """Reads what a refused client still sends, at most 32 MiB and 5 s, then closes the connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _has_body(Headers(scope=scope)):
            body = _Body(receive, send)
            await self._app(scope, body.receive, body.send)
        else:
            await self._app(scope, receive, send)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class _Body:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._has_more = True
        self._closes = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._has_more = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._has_more:
            self._closes = True
            MutableHeaders(scope=message)["connection"] = "close"
        ends = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not (ends and self._closes):
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._drain()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drain(self) -> None:
        read = 0
        try:
            async with asyncio.timeout(MAX_SECONDS):
                while self._has_more and read < MAX_BYTES:
                    read += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return
