"""What ends a command: each failure says what to do, and has an exit code."""

from __future__ import annotations

from typing import Any

SOME_FAILED, SERVER_AWAY, KEY_REFUSED, QUEUE_FULL, INTERRUPTED = 1, 3, 4, 5, 130


class Failure(Exception):
    """The server refused something, or a file could not be read or written. code: the server's, or our own."""

    exit_code = SOME_FAILED

    def __init__(self, message: str, code: str = "failed") -> None:
        super().__init__(message)
        self.code = code

    @property
    def is_everybodys(self) -> bool:
        """Whether the next recording would fail in the same way."""
        return self.exit_code != SOME_FAILED


class ServerAway(Failure):
    """Nobody answers there, or not in time."""

    exit_code = SERVER_AWAY


class KeyRefused(Failure):
    """The server wants a key, or another one."""

    exit_code = KEY_REFUSED


class QueueFull(Failure):
    """The server takes no more for now."""

    exit_code = QUEUE_FULL


class Stopped(Exception):
    """The user pressed Ctrl-C: what is under way is left."""


def failure_of(status: int, body: Any) -> Failure:
    """body: the answer's JSON, if it has one, in OpenAI's shape or another."""
    error = body.get("error") if isinstance(body, dict) else None
    detail = error if isinstance(error, dict) else {}
    code = str(detail.get("code") or status)
    message = str(
        detail.get("message") or (error if isinstance(error, str) else "") or f"The server answered {status}."
    )
    if status == 401:
        return KeyRefused(f"{message} Log in with: whisper-native login", code)
    if status == 429:
        return QueueFull(message, code)
    if status in (502, 503):
        return ServerAway(message, code)
    return Failure(message, code)
