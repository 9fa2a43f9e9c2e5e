"""A URL that a user named, taken apart once: what is checked is what is dialled."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

MAX_URL_LENGTH = 2048  # characters
_PORTS = {"http": 80, "https": 443}
_VISIBLE = re.compile(r"[\x21-\x7e]+")  # neither spaces nor line ends nor letters that would be rewritten
_HOST = re.compile(r"[A-Za-z0-9_.:-]+")

# Ports from 1024 on where other protocols listen that would take a request for commands, or that browsers refuse.
_FOREIGN = frozenset(
    {
        1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061,
        5432, 5672, 5900, 6000, 6379, 6380, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 7000, 9042, 9092, 10080,
        10250, 11211, 27017, 27018,
    }
)  # fmt: skip


class Refused(Exception):
    """The URL is none that is called. The message says why and names the setting, if one would help."""


@dataclass(frozen=True, slots=True)
class Target:
    """host: in lower case, an IPv6 address without its brackets. path: with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str, what: str = "A webhook URL") -> Target:
        """Raises Refused. what: the URL is, for messages."""
        if len(url) > MAX_URL_LENGTH or not _VISIBLE.fullmatch(url):
            raise Refused(f"{what} is at most {MAX_URL_LENGTH} printable ASCII characters, without spaces.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Refused(f"'{url[:200]}' is not a valid URL.") from None
        if parts.scheme not in _PORTS:
            raise Refused(f"{what} begins with https:// or http://.")
        if "@" in parts.netloc or "\\" in url:
            raise Refused(f"{what} holds no user name or password; send a header with webhook_headers.")
        host = parts.hostname or ""
        host = host.partition("%")[0] if ":" in host else host  # without the zone of an IPv6 address
        if not _HOST.fullmatch(host) or port == 0:
            raise Refused(f"'{url[:200]}' names no host to call.")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, host.rstrip("."), port or _PORTS[parts.scheme], path)

    @property
    def has_usual_port(self) -> bool:
        """80, 443, and those from 1024 on that belong to no other protocol."""
        return self.port in _PORTS.values() or (self.port >= 1024 and self.port not in _FOREIGN)

    @property
    def authority(self) -> str:
        """As it stands in the header `Host`."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Whom credentials may be shown."""
        return self.scheme, self.host, self.port


def without_credentials(url: str) -> tuple[str, str | None]:
    """The URL without user name and password, and the `Authorization` that they stand for."""
    try:
        parts = urlsplit(url)
    except ValueError:  # which Target.parse says better
        return url, None
    credentials, found, authority = parts.netloc.rpartition("@")
    if not found:
        return url, None
    user, _, password = credentials.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}".encode()
    return urlunsplit(parts._replace(netloc=authority)), f"Basic {base64.b64encode(pair).decode()}"


def shown_url(url: str) -> str:
    """What of a URL may be seen: neither credentials nor its query, which is where services sign their links."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
