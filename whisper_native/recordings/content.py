"""What a recording holds, by which it is known again."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from whisper_native.errors import Failure, Stopped

BLOCK = 256 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """name: for display. size: bytes. digest: SHA-256 of the content."""

    path: Path
    name: str
    size: int
    digest: str

    def key(self, fields: Mapping[str, str], default_model: str) -> str:
        """The same for the same content and wishes: a second run finds the first one's job by it."""
        wishes = json.dumps([self.digest, sorted(fields.items()), default_model])
        return hashlib.sha256(wishes.encode()).hexdigest()


def read(path: Path, name: str, on_read: Callable[[int], None], stop: threading.Event) -> Recording:
    """Reads the file once. on_read: told how many bytes were read. Raises Failure or Stopped."""
    digest, size = hashlib.sha256(), 0
    try:
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                if stop.is_set():
                    raise Stopped
                digest.update(block)
                size += len(block)
                on_read(size)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.", "unreadable") from None
    if not size:
        raise Failure("The file is empty (0 bytes).", "empty_file")
    shown = name.encode(errors="replace").decode()  # a name on disk may be no text
    return Recording(path, shown, size, digest.hexdigest())
