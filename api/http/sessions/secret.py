"""What session cookies are signed with: random bytes in `session.secret`, so that sessions survive a restart."""

from __future__ import annotations

import contextlib
import os
import secrets
import uuid
from pathlib import Path

from worker.store.files import create, write_synced

NAME = "session.secret"
LENGTH = 32  # bytes


def session_secret(root: Path) -> bytes:
    """The first to ask makes it. Raises OSError, or ValueError if the file is damaged."""
    path = root / NAME
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = root / f"{NAME}.{os.getpid()}.{uuid.uuid4().hex}.tmp"
        try:
            write_synced(aside, secrets.token_bytes(LENGTH))
            with contextlib.suppress(FileExistsError):
                create(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    secret = path.read_bytes()
    if len(secret) < LENGTH:  # an empty one would let everybody sign
        raise ValueError(f"{path} is damaged. Delete it: everyone has to sign in again.")
    return secret
