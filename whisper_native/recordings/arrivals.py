"""Which recordings of a folder are there in full: a program may still be writing one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from whisper_native.recordings.sources import Source, in_folder

UNFINISHED = (".part", ".tmp", ".crdownload", ".download", ".partial")
State = tuple[int, int]  # bytes, and when it was changed, in nanoseconds


class Arrivals:
    """Looked at again and again, which works on network shares too. without: folders below it that are none of it."""

    def __init__(self, folder: Path, *, recursive: bool, without: Sequence[Path] = ()) -> None:
        self._folder = folder
        self._recursive = recursive
        self._without = [path.absolute() for path in without if path.absolute() != folder.absolute()]
        self._seen: dict[Path, State] = {}
        self._given: dict[Path, State] = {}

    def look(self) -> list[Source]:
        """Recordings that did not change since the last look, each once; one that changes later comes again."""
        seen, ready = {}, []
        for source in self._sources():
            state = _state(source.path)
            if state is None:
                continue
            seen[source.path] = state
            is_still = self._seen.get(source.path) == state and self._given.get(source.path) != state
            if is_still and _opens(source.path):
                self._given[source.path] = state
                ready.append(source)
        self._seen = seen
        self._given = {path: state for path, state in self._given.items() if path in seen}
        return ready

    def _sources(self) -> Iterator[Source]:
        for source in in_folder(self._folder, recursive=self._recursive):
            parents = source.path.absolute().parents
            if not source.name.lower().endswith(UNFINISHED) and not any(path in parents for path in self._without):
                yield source


def _state(path: Path) -> State | None:
    """None for what is empty, or gone by now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if found.st_size else None


def _opens(path: Path) -> bool:
    """Whether nobody keeps it to themselves, as Windows lets programs do."""
    try:
        with open(path, "rb") as file:
            return bool(file.read(1))
    except OSError:
        return False
