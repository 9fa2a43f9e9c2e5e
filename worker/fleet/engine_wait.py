"""How long a job waits for the engine that began it: windows of two engines are not mixed, so another begins anew.

whisper:engine:<id>  string: since when, in unix seconds by Redis' clock
"""

from __future__ import annotations

from typing import Any

from redis import Redis

from worker.fleet.clock import Clock
from worker.runtime.connection import KEY_PREFIX
from worker.runtime.timing import Timing


class EngineWait:
    def __init__(self, redis: Redis, timing: Timing, clock: Clock) -> None:
        self._redis = redis
        self._timing = timing
        self._clock = clock

    def goes_on(self, job_id: str) -> bool:
        """From the first call on for a minute; whoever asks some minutes later asks for the first time."""
        key, now, seconds = f"{KEY_PREFIX}engine:{job_id}", self._clock.now(), self._timing.same_engine
        self._redis.set(key, now, nx=True, px=round(5000 * seconds))
        since: Any = self._redis.get(key)
        return since is not None and 0 <= now - float(since) < seconds
