"""A pool of connections that spares its callers a Redis that hangs.

A call that is not answered in time opens the circuit: all that follow fail at once. Once a second one of them asks
Redis, with a connection of its own, whether it answers again, and closes the circuit if it does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from redis import ConnectionPool
from redis.connection import Connection
from redis.exceptions import TimeoutError
from redis.retry import Retry

PAUSE = 1.0  # seconds between two questions

T = TypeVar("T")


class CircuitBreaker:
    """answers: whether Redis does; it may take a second or two to say."""

    def __init__(self, answers: Callable[[], bool], pause: float = PAUSE) -> None:
        self._answers = answers
        self._pause = pause
        self._is_open = False
        self._next_look = 0.0  # monotonic seconds
        self._looking = threading.Lock()

    def open(self) -> None:
        """A call has waited in vain."""
        self._next_look = time.monotonic() + self._pause
        self._is_open = True

    def check(self) -> None:
        """Raises TimeoutError while Redis hangs."""
        if self._is_open and not self._is_answered_again():
            raise TimeoutError("Redis does not answer; the next look at it is in a second")

    def _is_answered_again(self) -> bool:
        if time.monotonic() < self._next_look or not self._looking.acquire(blocking=False):
            return False
        try:
            if self._answers():
                self._is_open = False
            else:
                self._next_look = time.monotonic() + self._pause
            return not self._is_open
        finally:
            self._looking.release()


class BreakingRetry(Retry):
    """Tells the breaker of every call that was not answered in time. All connections of a pool share it."""

    def __init__(self, breaker: CircuitBreaker, *settings: Any) -> None:
        super().__init__(*settings)
        self._breaker = breaker

    def __deepcopy__(self, memo: object) -> BreakingRetry:
        return self

    def call_with_retry(self, do: Callable[[], T], *args: Any, **named: Any) -> T:
        try:
            return super().call_with_retry(do, *args, **named)
        except TimeoutError:
            self._breaker.open()
            raise


class BreakingPool(ConnectionPool):
    """Hands out no connection while the circuit is open."""

    def __init__(self, breaker: CircuitBreaker, **settings: Any) -> None:
        self._breaker = breaker
        super().__init__(**settings)

    def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Connection:
        self._breaker.check()
        return super().get_connection()  # the arguments mean nothing any more
