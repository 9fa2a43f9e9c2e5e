"""Answers that last: of clients that wait for a job's end, read a transcript as it comes, or follow a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.http.errors import ApiError
from api.intake.places import Places


class OpenAnswers:
    """Each holds a connection, so there are at most as many. is_shared: between owners, see Places."""

    def __init__(self, most: int, *, is_shared: bool) -> None:
        self._places = Places(most, is_shared=is_shared)

    @contextmanager
    def held(self, owner: str) -> Iterator[None]:
        """Raises ApiError if the owner has their share of them already."""
        if not self._places.take_now(owner):
            held = f"{self._places.held(owner)} of your requests wait for jobs or follow them already"
            raise ApiError("too_many_connections", f"{held}, and others may want to. Close some, or try again later.")
        try:
            yield
        finally:
            self._places.release(owner)


class HeldStream(StreamingResponse):
    """Holds what is on the stack until the last event is sent, or its reader has left."""

    def __init__(self, events: Any, held: ExitStack, **options: Any) -> None:
        super().__init__(events, **options)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)
