"""The official SDK as users call it, for the sync and the async client alike."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import httpx
import openai
from openai import AsyncOpenAI, OpenAI

from tests.acceptance.live import LiveService

Client = OpenAI | AsyncOpenAI
Kind = Literal["sync", "async"]
KINDS: tuple[Kind, ...] = ("sync", "async")


def sync_client(service: LiveService, sent: list[httpx.Request] | None = None, **options: Any) -> OpenAI:
    """sent: takes every request, repeats too."""
    hooks: dict[str, Any] = {"request": [sent.append]} if sent is not None else {}
    http = openai.DefaultHttpxClient(trust_env=False, event_hooks=hooks)
    return OpenAI(**{"base_url": f"{service.url}/v1", "api_key": service.key or "unused", **options}, http_client=http)


def async_client(service: LiveService, sent: list[httpx.Request] | None = None, **options: Any) -> AsyncOpenAI:
    async def note(request: httpx.Request) -> None:
        if sent is not None:
            sent.append(request)

    http = openai.DefaultAsyncHttpxClient(trust_env=False, event_hooks={"request": [note]})
    return AsyncOpenAI(
        **{"base_url": f"{service.url}/v1", "api_key": service.key or "unused", **options}, http_client=http
    )


def call(kind: Kind, service: LiveService, method: Callable[[Any], Any], **options: Any) -> Any:
    """What the method, given a client, returns."""
    if kind == "sync":
        with sync_client(service, **options) as client:
            return method(client)

    async def run() -> Any:
        async with async_client(service, **options) as client:
            result = method(client)
            return await result if inspect.isawaitable(result) else result

    return asyncio.run(run())


def transcribe(path: Path, **options: Any) -> Callable[[Client], Any]:
    return lambda client: client.audio.transcriptions.create(**{"model": "whisper-1", "file": path, **options})
