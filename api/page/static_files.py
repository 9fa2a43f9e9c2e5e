"""The page's files: plain modules and one style sheet, as they lie in `static/`. Only code, so nobody needs a key."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

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
        return _read(path, status.st_mtime_ns, status.st_size) if path.is_file() else None
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None


@lru_cache(maxsize=256)
def _read(path: Path, changed: int, size: int) -> StaticFile:
    """changed, size: of the file as it is now, so that one that is edited is read again."""
    content = path.read_bytes()
    gzipped = gzip.compress(content, 9, mtime=0) if path.suffix in _COMPRESSED else content
    etag = f'W/"{hashlib.sha256(content).hexdigest()[:20]}"'
    return StaticFile(content, gzipped if len(gzipped) < len(content) else None, TYPES[path.suffix], etag)
