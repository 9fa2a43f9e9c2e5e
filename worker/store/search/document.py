"""What of a job can be found: its file's name, its title, its metadata and its transcript, as it lies on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.store.index.job_row import stamp_of
from worker.store.search.words import searchable

MAX_TEXT = 1_000_000  # characters of a transcript: some twenty hours of talk


@dataclass(frozen=True, slots=True)
class Document:
    """body: searchable text. stamp: when the directory was changed, see `stamp_of`."""

    id: str
    owner: str
    body: str
    stamp: int


def read_document(directory: Path) -> Document | None:
    """None for a job that is gone or cannot be read, which nobody finds."""
    stamp = stamp_of(directory)  # before what is read: what changes meanwhile is read again
    if stamp is None:
        return None
    return document_of(directory.name, stamp, lambda name: (directory / name).read_bytes())


def document_of(job_id: str, stamp: int, content: Callable[[str], bytes]) -> Document | None:
    """As `read_document`. content: of the job's record with this name; raises FileNotFoundError."""

    def read_if_there(name: str) -> Any:
        try:
            return json.loads(content(name))
        except FileNotFoundError:
            return {}

    try:
        request, edits = json.loads(content("job.json")), read_if_there("edits.json")
        parts = [request["filename"], edits.get("title") or "", *_texts(request.get("metadata"))]
        words = "".join(_said(read_if_there("transcript.json"), edits.get("segments") or {}))[:MAX_TEXT]
        return Document(job_id, request["owner"], searchable("\n".join([*parts, words])), stamp)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _said(transcript: Any, edited: Any) -> Iterator[str]:
    for segment in transcript.get("segments", ()):
        text = (edited.get(str(segment["id"])) or {}).get("text")
        yield segment["text"] if text is None else text


def _texts(data: Any) -> Iterator[str]:
    """All that somebody may have written into metadata."""
    if isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _texts(value)
    elif data is not None and not isinstance(data, bool):
        yield str(data)
