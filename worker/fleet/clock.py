"""What time it is by Redis' clock, the one that all machines of a service share. Whatever is compared with what another
process wrote (leases, due times, ends) goes by it, so a machine whose own clock is wrong changes nothing."""

from __future__ import annotations

import threading
import time

from redis import Redis
from redis.exceptions import RedisError


class Clock:
    """This machine's own."""

    def now(self) -> float:
        """In unix seconds."""
        return time.time()


class RedisClock(Clock):
    """`now` may be called from any thread, and asks nobody: between two measurements a clock goes on that nobody sets.
    Before the first it is this machine's."""

    def __init__(self) -> None:
        self._began_at: float | None = None  # unix seconds by Redis' clock at 0 of `_running`

    def now(self) -> float:
        began_at = self._began_at
        return super().now() if began_at is None else began_at + _running()

    def measure(self, redis: Redis) -> float:
        """Asks Redis; returns by how many seconds this machine's clock is ahead. Raises RedisError."""
        before, asked_at = time.time(), _running()
        at = redis_time(redis)
        self._began_at = at - (asked_at + _running()) / 2
        return (before + time.time()) / 2 - at

    def keep_measuring(self, redis: Redis, every: float) -> None:
        """Now, if Redis answers, and from now on on a thread. every: seconds."""
        self.try_to_measure(redis)
        threading.Thread(target=self._keep_measuring, args=(redis, every), name="clock", daemon=True).start()

    def try_to_measure(self, redis: Redis) -> None:
        """If Redis does not answer, it goes on as it went."""
        try:
            self.measure(redis)
        except RedisError:
            return

    def _keep_measuring(self, redis: Redis, every: float) -> None:
        while True:
            time.sleep(every)
            self.try_to_measure(redis)


def redis_time(redis: Redis) -> float:
    """In unix seconds."""
    seconds, micros = redis.time()
    return float(seconds) + float(micros) / 1e6


def _running() -> float:
    """Seconds since some moment; on Linux they go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
