"""The Redis that WHISPER_REDIS_URL names: whether the service can run on it."""

from __future__ import annotations

from redis.exceptions import AuthenticationError, ConnectionError, RedisError

from worker.fleet.store_note import other_stores
from worker.fleet.store_note import problem_with as problem_with_others
from worker.runtime.connection import connect_briefly

_UNUSABLE = {
    "cluster": "Redis at WHISPER_REDIS_URL runs in cluster mode, which the queues cannot use. Set it to a Redis with "
    "cluster-enabled no, or remove it to let the service start its own.",
    "sentinel": "WHISPER_REDIS_URL leads to a Sentinel, which keeps no data. Set it to the address of the master, or "
    "of a proxy such as HAProxy that follows it.",
}


def problem_with(url: str, store: str | None) -> str | None:
    """Why the service cannot run there, and what to do; None if it can, or if Redis does not answer now: it may later.
    store: the id of its data directory, None if that is not known. Raises ValueError for what is no URL of a Redis."""
    try:
        with connect_briefly(url) as redis:
            unusable = _UNUSABLE.get(str(redis.info("server").get("redis_mode")))
            return unusable or problem_with_others(other_stores(redis, store) if store is not None else ())
    except AuthenticationError:
        return "Redis at WHISPER_REDIS_URL refuses the password (redis://:password@host:6379/0)."
    except ConnectionError as error:
        return _problem_with_certificate(str(error))
    except RedisError:  # slow, or it does not let itself be asked
        return None


def _problem_with_certificate(error: str) -> str | None:
    _, found, why = error.partition("certificate verify failed: ")
    if not found:
        return None
    why = why.partition(" (_ssl")[0].rstrip(".")
    if "not valid for" in why:
        return f"The certificate of Redis is not for the host in WHISPER_REDIS_URL: {why}. Use a name that it is for."
    return (
        f"The certificate of Redis at WHISPER_REDIS_URL cannot be verified: {why}. If a CA of your own signed it, add "
        "the CA's file: rediss://…:6379/0?ssl_ca_certs=/path/to/ca.pem"
    )
