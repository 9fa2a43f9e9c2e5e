"""The secrets that webhooks are signed with.

A secret is `whsec_` and the base64 of its bytes. Ours have printable ASCII for bytes, so that a tool that takes a key
as text, such as n8n's Crypto node, can hold them too.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

PREFIX = "whsec_"
FILE = "webhook-secret"
_SIZES = range(16, 129)  # bytes; the specification asks for 24 to 64


class BadSecret(ValueError):
    """A secret is 'whsec_' and base64, such as `scripts/whisper-native.py webhook-secret --new` makes."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def new_secret() -> str:
    """192 random bits."""
    return PREFIX + base64.b64encode(secrets.token_hex(24).encode()).decode()


def key_of(secret: str) -> bytes:
    """The bytes to sign with; raises BadSecret."""
    encoded = secret.strip().removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecret from None
    if not secret.strip().startswith(PREFIX) or len(key) not in _SIZES:
        raise BadSecret
    return key


def own_secret(data_dir: Path) -> str:
    """The service's own secret, made at the first call. Whoever comes first makes it; the others read it."""
    path = data_dir / FILE
    if not path.exists():
        aside = data_dir / f"{FILE}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{new_secret()}\n")
                file.flush()
                os.fsync(file.fileno())
            _give_name(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    secret = path.read_text(encoding="ascii").strip()
    key_of(secret)
    return secret


def _give_name(aside: Path, path: Path) -> None:
    """Unless another process was faster."""
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    except OSError:  # no hard links on this file system
        if not path.exists():
            os.replace(aside, path)
