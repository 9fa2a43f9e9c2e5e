"""Threads for calls that may wait for Redis. They are none of those that read the disk, so that a finished transcript
is served while Redis hangs."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

MOST = 32  # calls at once; the others wait in line

P = ParamSpec("P")
T = TypeVar("T")


class RedisThreads:
    """One for each application."""

    def __init__(self, most: int = MOST) -> None:
        self._limiter = anyio.CapacityLimiter(most)

    async def run(self, call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """As Starlette's `run_in_threadpool`."""
        return await anyio.to_thread.run_sync(lambda: call(*args, **named), limiter=self._limiter)
