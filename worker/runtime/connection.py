"""The one place that makes clients of Redis: how long each waits, and how often it tries again."""

from __future__ import annotations

from typing import Any

from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError, RedisError, TimeoutError
from redis.retry import Retry

from worker.runtime.circuit_breaker import BreakingPool, BreakingRetry, CircuitBreaker
from worker.runtime.timing import Timing

KEY_PREFIX = "whisper:"

_BACKOFF = ExponentialBackoff(cap=2, base=0.1)  # seconds
_OFTEN = 60  # tries: about two minutes
_SELDOM = 2
_AT_ONCE = 200  # connections of a client for short calls …
_BLOCKING = 10_000  # … and of one whose calls block: each slot has one
_COMMON: dict[str, Any] = {"health_check_interval": 10}


def connect(url: str, *, patient: bool = False, timing: Timing = Timing()) -> Redis:
    """A client for `url` (redis://, rediss:// or unix://).

    patient: for a worker's slots, which block while they wait for a job, and wait two minutes for Redis to come back
    rather than lose a job's end. Others raise after a moment: a client is answered 503, a job goes on untold.
    """
    if patient:
        return _waiting(url, timing.redis_silence, _OFTEN, [ConnectionError, TimeoutError])
    breaker = CircuitBreaker(lambda: _answers(url))
    pool = BreakingPool.from_url(
        url,
        breaker=breaker,
        retry=BreakingRetry(breaker, _BACKOFF, _SELDOM, (ConnectionError,)),
        socket_timeout=timing.redis_answer,
        socket_connect_timeout=timing.redis_answer,
        max_connections=_AT_ONCE,
        **_COMMON,
    )
    return Redis.from_pool(pool)


def connect_feed(url: str, timing: Timing = Timing()) -> Redis:
    """A client for blocking reads of the feed."""
    return _waiting(url, timing.feed_block + timing.redis_answer, _SELDOM, [ConnectionError])


def connect_briefly(url: str) -> Redis:
    """A client for a look that must not take long: no second tries, two seconds at most. Raises ValueError for what is
    no URL of a Redis."""
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))


def _waiting(url: str, silence: float, tries: int, errors: list[type[Exception]]) -> Redis:
    """silence: seconds a call may take."""
    return Redis.from_url(
        url,
        retry=Retry(_BACKOFF, tries, tuple(errors)),
        retry_on_error=errors,
        socket_timeout=silence,
        socket_connect_timeout=5,  # seconds
        max_connections=_BLOCKING,
        **_COMMON,
    )


def _answers(url: str) -> bool:
    try:
        with connect_briefly(url) as redis:
            return bool(redis.ping())
    except RedisError:
        return False
