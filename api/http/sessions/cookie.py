"""The cookie of a browser that is signed in: whose it is, until when, and a signature over both and the owner's key.

The server keeps nothing of it. As the key goes into the signature, a key that is removed or changed ends its sessions.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from functools import cache

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

LASTS = 30 * 24 * 3600  # seconds
_MAX_PAIR = 1024  # characters; Python takes quadratic time to unquote a longer one (CVE-2024-7592)


class Sessions:
    """secret: gives what signs, see `session_secret`; asked once it is needed. keys: of all owners, by name."""

    def __init__(self, secret: Callable[[], bytes], keys: Mapping[str, SecretStr]) -> None:
        self._secret = cache(secret)
        self._keys = keys

    def begin(self, owner: str, now: float | None = None) -> str:
        """A cookie's value. owner: the name of a key. now: unix seconds."""
        until = int((time.time() if now is None else now) + LASTS)
        return f"{owner}.{until}.{self._signature(owner, until)}"

    def owner(self, value: str, now: float | None = None) -> str | None:
        """Whose session it is; None for one that has ended or that we did not begin."""
        owner, _, rest = value.rpartition(".")[0].rpartition(".")
        signature = value.rpartition(".")[2]
        if owner not in self._keys or not rest.isdecimal() or len(rest) > 12 or not signature.isascii():
            return None
        is_ours = hmac.compare_digest(signature, self._signature(owner, int(rest)))
        return owner if is_ours and int(rest) > (time.time() if now is None else now) else None

    def _signature(self, owner: str, until: int) -> str:
        key = hashlib.sha256(self._keys[owner].get_secret_value().encode()).hexdigest()
        signed = hmac.digest(self._secret(), f"{owner}.{until}.{key}".encode(), "sha256")
        return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def cookie_name(port: int | None) -> str:
    """Cookies do not tell ports apart: two services on one host would overwrite each other's."""
    return f"whisper_session_{port or 0}"


def presented(headers: Headers, name: str) -> str:
    """The cookie's value in a request; empty if there is none."""
    pairs = [pair for line in headers.getlist("cookie") for pair in line.split(";")]
    own = (pair for pair in pairs if pair.partition("=")[0].strip() == name and len(pair) <= _MAX_PAIR)
    return next((value for pair in own if (value := cookie_parser(pair)[name])), "")


def hide(scope: Scope) -> None:
    """Takes the cookies out of a request: FastAPI reads those of every one, in quadratic time, and no route has any."""
    scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
