"""The page's files: plain modules and style sheets, as they lie in `static/`. Only code, so nobody needs a key.

The page names them with their common version, so that a browser keeps them until one of them changes. Under a version a
module or style sheet comes with all that it imports (`joining`); without one, as it lies there.
"""

from __future__ import annotations

import gzip
import hashlib
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from api.page.joining import START, joined_module, joined_sheet

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}
LINK = b'"/page/'  # how the page's HTML begins the address of another file
_COMPRESSED = (".html", ".js", ".css", ".svg", ".webmanifest")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """etag: of its content, whether or not it is compressed, so a weak one. gzipped: None if that saves nothing."""

    content: bytes
    gzipped: bytes | None
    content_type: str
    etag: str


def static_file(name: str, folder: Path = FOLDER) -> StaticFile | None:
    """The file of this path below the folder; None if there is none. Blocks."""
    path = folder / name
    if path.suffix not in TYPES or any(part in ("", ".", "..") for part in name.split("/")):
        return None
    if "\\" in name or ":" in name:  # on Windows they part names too, and name drives
        return None
    try:
        status = path.stat()
        file = _read(path, status.st_mtime_ns, status.st_size) if path.is_file() else None
        return _linked(file, version(folder)) if file and path.suffix == ".html" else file
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None


def sent_file(name: str, folder: Path = FOLDER) -> StaticFile | None:
    """What a browser gets that asks for it under the page's version; None if that is not there. Blocks."""
    file = static_file(name, folder)
    if file is None or not name.endswith((".js", ".css")):
        return file
    try:
        return _joined(name, folder, _state(folder, int(time.monotonic())))
    except OSError:  # it imports what is not there
        return None


def version(folder: Path = FOLDER) -> str:
    """Another one a second after any file was changed, but for the page's HTML, which is asked for every time.
    Blocks."""
    return _version(folder, _state(folder, int(time.monotonic())))


@lru_cache(maxsize=4)
def _state(folder: Path, second: int) -> tuple[tuple[str, int, int], ...]:
    """Of each file its name, when it was changed, and its size. second: by any clock; a browser asks for several files
    in one."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in TYPES and path.suffix != ".html")
    stats = [(path, path.stat()) for path in paths]
    return tuple((path.relative_to(folder).as_posix(), each.st_mtime_ns, each.st_size) for path, each in stats)


@lru_cache(maxsize=4)
def _version(folder: Path, state: tuple[tuple[str, int, int], ...]) -> str:
    etags = [_read(folder / name, changed, size).etag for name, changed, size in state]
    start = _joined(START, folder, state).etag  # another too if modules are joined otherwise
    return hashlib.sha256("".join([*etags, start]).encode()).hexdigest()[:12]


@lru_cache(maxsize=64)
def _joined(name: str, folder: Path, state: tuple[tuple[str, int, int], ...]) -> StaticFile:
    """state: of the folder as it is now, so that files that are edited are joined again."""
    join = joined_sheet if name.endswith(".css") else joined_module
    return _file(join(name, folder).encode(), Path(name).suffix)


@lru_cache(maxsize=256)
def _read(path: Path, changed: int, size: int) -> StaticFile:
    """changed, size: of the file as it is now, so that one that is edited is read again."""
    return _file(path.read_bytes(), path.suffix)


@lru_cache(maxsize=4)
def _linked(page: StaticFile, version: str) -> StaticFile:
    return _file(page.content.replace(LINK, LINK + f"v-{version}/".encode()), ".html")


def _file(content: bytes, suffix: str) -> StaticFile:
    gzipped = gzip.compress(content, 9, mtime=0) if suffix in _COMPRESSED else content
    etag = f'W/"{hashlib.sha256(content).hexdigest()[:20]}"'
    return StaticFile(content, gzipped if len(gzipped) < len(content) else None, TYPES[suffix], etag)
