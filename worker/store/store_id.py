"""Which data directory this is: a name in `store.id` that it keeps wherever it is moved or mounted, and in a copy."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from worker.store.files import create, write_synced

NAME = "store.id"


def store_id(root: Path) -> str:
    """The first to ask gives the name."""
    path = root / NAME
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = root / f"{NAME}.{os.getpid()}.{uuid.uuid4().hex}.tmp"
        try:
            write_synced(aside, uuid.uuid4().hex.encode())
            with contextlib.suppress(FileExistsError):
                create(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    return path.read_text(encoding="ascii", errors="replace").partition("\n")[0].strip()
