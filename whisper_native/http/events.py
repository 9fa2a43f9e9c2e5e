"""Server-sent events, as they come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """id: what a reader that comes back says it had. name: state, progress, segment, done or error."""

    id: str
    name: str
    data: Any


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events of a stream, given line by line. Comments, and data that is no JSON, are left out."""
    last_id, name, data = "", "message", ""
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            last_id = value
        elif field == "event":
            name = value
        elif field == "data":
            data += value
        elif not line:
            yield from _event(last_id, name, data)
            name, data = "message", ""


def _event(last_id: str, name: str, data: str) -> Iterator[Event]:
    try:
        parsed = json.loads(data) if data else None
    except ValueError:
        return
    if parsed is not None:
        yield Event(last_id, name, parsed)
