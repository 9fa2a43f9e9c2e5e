"""Whether a Redis lies open: whoever can write to it can make the worker run jobs and read what is said in them."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.exceptions import RedisError

_ASKED = ("bind", "requirepass", "protected-mode", "port")

REMEDY = (
    "Bind it to 127.0.0.1, or set a password (requirepass) and write it into WHISPER_REDIS_URL=redis://:password@host."
)


def warnings(url: str) -> list[str]:
    """What is wrong with the place the URL names, by its looks alone."""
    parts = urlsplit(url)
    if parts.scheme == "unix" or is_loopback(parts.hostname or "localhost"):
        return []
    found = []
    if not parts.password:
        found.append(f"Redis at {parts.hostname} is reached over the network without a password. {REMEDY}")
    if parts.scheme != "rediss":
        found.append(f"What goes to Redis at {parts.hostname} is not encrypted: fine in a private network alone.")
    return found


def findings(redis: Redis) -> list[str]:
    """What a Redis says of itself; nothing if it does not answer or does not let itself be asked."""
    try:
        config = {name: str(redis.config_get(name).get(name, "")) for name in _ASKED}
    except (RedisError, AttributeError, TypeError):
        return []
    if config["port"] == "0" or config["requirepass"] or config["protected-mode"] == "yes":
        return []
    places = [place.lstrip("-") for place in config["bind"].split()] or ["*"]
    opened = [place for place in places if not is_loopback(place)]
    if not opened:
        return []
    listens = f"Redis listens on {', '.join(opened)} without a password: whoever reaches it can use it. {REMEDY}"
    return [f"{listens} A container's is fine if its port is published to 127.0.0.1 alone."]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    name = unquote(host).strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return _resolves_to_loopback(name)


def _resolves_to_loopback(name: str) -> bool:
    try:
        rows = socket.getaddrinfo(name, None)
    except OSError:
        return False
    return bool(rows) and all(ipaddress.ip_address(str(row[4][0]).partition("%")[0]).is_loopback for row in rows)
