"""A job's recording while it is fetched, as a file that grows.

fetch.part   what has come so far; renamed to `source` once it is whole
fetch.json   which version of the source that is, so that the rest of it can be asked for later, until the machine is
             started anew: what was written shortly before may be lost then
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType

from worker.store.files import private, sync_directory, take
from worker.store.incoming import PartTaken
from worker.store.index.boot import boot


class LocalPartialSource:
    """See PartialSource. source: where the recording belongs."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._part = source.with_name("fetch.part")
        self._note = source.with_name("fetch.json")

    def __enter__(self) -> LocalPartialSource:
        self._file = open(os.open(self._part, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
        try:
            if not self._is_ours():
                raise PartTaken
            self.size = self._file.seek(0, os.SEEK_END)
            self.validator = self._noted()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _is_ours(self) -> bool:
        """Also whether the file still has its name: whoever had it before may have finished it since it was opened."""
        if not take(self._file) and os.name != "nt":  # where nothing is taken
            return False
        try:
            named = os.stat(self._part)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self._file.fileno()))

    def begin(self, validator: str) -> None:
        self._note.unlink(missing_ok=True)  # first: with it, what is written next would pass for the other version
        self._file.seek(0)
        self._file.truncate()
        self.size, self.validator = 0, validator
        if validator:
            with open(self._note, "x", opener=private, encoding="utf-8") as note:
                json.dump({"validator": validator, "boot": boot()}, note)

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            written = self._file.write(view)
            self.size += written
            view = view[written:]

    def complete(self) -> None:
        os.fsync(self._file.fileno())
        self._note.unlink(missing_ok=True)
        if os.name == "nt":  # which renames nothing that is open
            self._file.close()
        os.rename(self._part, self._source)
        sync_directory(self._source.parent)

    def _noted(self) -> str:
        """Empty if there is nothing to go on with."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            validator, start = note["validator"], note["boot"]
        except (OSError, ValueError, LookupError, TypeError):
            return ""
        return validator if isinstance(validator, str) and start == boot() else ""
