"""Threads that wait for name servers, and for nothing else: a slow one must not use up those that serve everything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")

AT_ONCE = 16  # threads; more calls wait for one of them


class NameThreads:
    """patience: seconds that a caller waits, for a thread and for its answer together.

    The threads are not those of the interpreter's pools: a call that hangs holds no exit up.
    """

    def __init__(self, patience: float, at_once: int = AT_ONCE) -> None:
        self._patience = patience
        self._places = asyncio.Semaphore(at_once)

    async def run(self, call: Callable[[], Result]) -> Result:
        """Raises TimeoutError; the call then keeps its thread until it returns."""
        async with asyncio.timeout(self._patience):
            await self._places.acquire()
            return await self._begun(call)

    def _begun(self, call: Callable[[], Result]) -> asyncio.Future[Result]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def work() -> None:
            try:
                end: Callable[[], None] = partial(future.set_result, call())
            except Exception as error:  # noqa: BLE001 - it is the caller's
                end = partial(future.set_exception, error)
            with suppress(RuntimeError):  # the service has ended meanwhile, and its loop with it
                loop.call_soon_threadsafe(self._end, future, end)

        try:
            threading.Thread(target=work, name="names", daemon=True).start()
        except RuntimeError:
            self._places.release()
            raise
        return future

    def _end(self, future: asyncio.Future[Any], end: Callable[[], None]) -> None:
        self._places.release()
        if not future.done():
            end()
