"""Redis: reachable, durable, and reachable by nobody else. Whoever can write to it can put jobs into the queues."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from scripts.doctor.finding import Finding, failure, ok, warning
from scripts.redis_server.given_redis import problem_with
from scripts.redis_server.program import RedisUnavailable, find_server
from worker.runtime.connection import connect_briefly

OLDEST = (6, 2)  # BLMOVE, without which a crash loses the job that was just taken


def queues(url: str | None, running_url: str | None, store: str | None = None) -> list[Finding]:
    """url: WHISPER_REDIS_URL. running_url: the Redis of the running service, if there is one. store: the id of the data
    directory, None if that is not known."""
    if url is None:
        return [_own(running_url)]
    try:
        if problem := problem_with(url, store):
            return [failure("redis", problem)]
        with connect_briefly(url) as redis:
            info: dict[str, Any] = redis.info()
            return [_version(info), *_durability(redis), _exposure(redis, url)]
    except (RedisError, ValueError) as error:
        return [
            failure(
                "redis",
                f"No Redis answers at WHISPER_REDIS_URL ({type(error).__name__}). Start it (docker compose -f "
                "docker-compose.redis.yml up -d), correct the setting, or remove it.",
            )
        ]


def _own(running_url: str | None) -> Finding:
    try:
        server = find_server()
        if running_url is None:
            return ok("redis", f"the service starts its own, private: {server}")
        with connect_briefly(running_url) as redis:
            redis.ping()
        return ok("redis", "the service's own answers; nobody else can reach it")
    except RedisUnavailable as error:
        return failure("redis", str(error))
    except RedisError as error:
        return failure("redis", f"The running service's own Redis does not answer: {error}. See logs/redis.log.")


def _version(info: dict[str, Any]) -> Finding:
    version = str(info.get("redis_version", "unknown"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        return failure("redis", f"Redis {version} is too old: {OLDEST[0]}.{OLDEST[1]} or newer is needed.")
    return ok("redis", f"{version} answers at WHISPER_REDIS_URL")


def _durability(redis: Redis) -> list[Finding]:
    """What a Redis must not do with queues: forget entries, or lose all of them with its process."""
    found = []
    if _setting(redis, "maxmemory-policy") not in (None, "noeviction"):
        found.append(warning("redis", "It may drop jobs when its memory is full: set maxmemory-policy noeviction."))
    if _setting(redis, "appendonly") == "no":
        found.append(warning("redis", "Its queues end with its process (the jobs do not): set appendonly yes."))
    return found


def _setting(redis: Redis, name: str) -> str | None:
    try:
        row: dict[bytes | str, bytes | str] = redis.config_get(name)  # type: ignore[assignment]
    except RedisError:  # a hosted one keeps its settings to itself
        return None
    value = next(iter(row.values()), None)
    return value.decode() if isinstance(value, bytes) else value


def _exposure(redis: Redis, url: str) -> Finding:
    """Tries what a stranger would: its port, at every address of its machine, without a password."""
    kwargs = redis.connection_pool.connection_kwargs
    if "path" in kwargs:
        return ok("redis", "it listens on a socket of this machine")
    host, port = str(kwargs.get("host", "localhost")), int(kwargs.get("port", 6379))
    addresses = own_addresses() if _is_loopback(host) else [host]
    open_at = [address for address in addresses if _lets_in(address, port, tls=url.startswith("rediss"))]
    if open_at:
        return failure(
            "redis",
            f"It lets anybody in at {open_at[0]}, without a password: whoever reaches it can put jobs into the queues. "
            "Bind it to 127.0.0.1, or set requirepass.",
        )
    return ok("redis", "strangers are not let in")


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


def own_addresses() -> list[str]:
    """Addresses of this machine that others may reach it by."""
    found = {str(row[4][0]) for row in _resolve(socket.gethostname())}
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):  # documentation's own
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))  # sends nothing; it only chooses the way out
                found.add(str(probe.getsockname()[0]))
        except OSError:
            continue
    return sorted(address for address in found if not _is_loopback(address))


def _resolve(name: str) -> Iterable[Any]:
    try:
        return socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()


def _lets_in(host: str, port: int, *, tls: bool) -> bool:
    scheme = "rediss" if tls else "redis"
    stranger = f"{scheme}://[{host}]:{port}/0" if ":" in host else f"{scheme}://{host}:{port}/0"
    try:
        with connect_briefly(stranger) as redis:
            redis.ping()
    except (RedisError, ValueError):
        return False
    return True
