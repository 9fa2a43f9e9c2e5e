"""Redis clients that outlive a restart of Redis."""

from __future__ import annotations

from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

from worker.runtime.timing import Timing

KEY_PREFIX = "whisper:"


def connect(url: str, *, patient: bool = False, timing: Timing = Timing()) -> Redis:
    """A client for `url` (redis://, rediss:// or unix://).

    patient: for the worker, which waits a minute for Redis to come back rather than lose a job's end; an API
    request answers 503 after a moment instead.
    """
    return Redis.from_url(
        url,
        retry=Retry(ExponentialBackoff(cap=2, base=0.1), 60 if patient else 2),
        retry_on_error=[ConnectionError, TimeoutError],
        health_check_interval=10,
        socket_timeout=timing.redis_silence,
        socket_connect_timeout=5,  # seconds
        max_connections=200,
    )


def connect_briefly(url: str) -> Redis:
    """A client for a look that must not take long: no second tries, two seconds at most. Raises ValueError for what is
    no URL of a Redis."""
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))
