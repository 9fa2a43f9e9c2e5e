"""A server that recordings are fetched from: whole or in parts, and with whatever goes wrong on the way."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from tests.receiver import Answers, Received, Reply


def serves(body: bytes, *before: Reply, **headers: str) -> Answers:
    """The recording, or the part of it that is asked for, after these replies, one a request. headers: more of them."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'

    def answer(number: int, request: Received) -> Reply:
        reply = before[number - 1] if number <= len(before) else part(body, tag, request)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(reply, headers={"etag": tag, **named, **reply.headers})

    return answer


def part(body: bytes, tag: str, request: Received) -> Reply:
    """As RFC 9110 has it: the part, if it is of the version that is served."""
    unit, _, wanted = request.headers.get("range", "").partition("=")
    if unit != "bytes" or request.headers.get("if-range") != tag:
        return Reply(body=body)
    start = int(wanted.rstrip("-"))
    if start >= len(body):
        return Reply(416, {"content-range": f"bytes */{len(body)}"}, b"")
    return Reply(206, {"content-range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, body[start:])
