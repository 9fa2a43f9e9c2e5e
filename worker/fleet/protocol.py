"""Which versions of the service may share a Redis and a store: each has a number for what it leaves there for others.

whisper:protocol:<n>  string that expires some seconds after the last process with that number has said that it lives:
                      which version, and where
"""

from __future__ import annotations

import socket
from typing import Any

from redis import Redis

from worker.runtime.connection import KEY_PREFIX
from worker.runtime.timing import Timing
from worker.runtime.version import VERSION

# One more whenever the version before would misread what this one leaves. A version reads what those with the number
# before leave too, so that machines can be upgraded one after the other. Version 0.1.0 of before says no number.
PROTOCOL = 1

_PROTOCOL = f"{KEY_PREFIX}protocol:"


def announce_protocol(redis: Redis, timing: Timing = Timing(), number: int = PROTOCOL) -> None:
    """Says that a process with this number lives."""
    said = f"version {VERSION} on {socket.gethostname()}"
    redis.set(f"{_PROTOCOL}{number}", said, px=round(timing.presence * 1000))


def problem_with_versions(redis: Redis, number: int = PROTOCOL) -> str | None:
    """Why this version must not start beside those that live, and what to do."""
    for key in sorted(redis.scan_iter(f"{_PROTOCOL}*", count=1000)):
        other = key.decode().removeprefix(_PROTOCOL)
        if not other.isdecimal() or abs(int(other) - number) <= 1:
            continue
        said: Any = redis.get(key)
        if said is not None:
            older, newer = ("this one", "that one") if int(other) > number else ("that one", "this one")
            return (
                f"This is version {VERSION}, and {said.decode(errors='replace')[:200]} is on the same Redis: {older} "
                f"is too old to work with {newer}. Upgrade it, or stop it and try again after 15 s."
            )
    return None
