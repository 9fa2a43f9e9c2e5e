"""Which server, and with which key: options, then the environment, then the file that `login` writes."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

DEFAULT_URL = "http://localhost:9001"
# The first source that names a server also says its key: no key goes to a server it was not given for.
ENVIRONMENT = (("WHISPER_URL", "WHISPER_KEY"), ("OPENAI_BASE_URL", "OPENAI_API_KEY"))


@dataclass(frozen=True, slots=True)
class Address:
    """Of a server. key: None if none is known."""

    url: str
    key: str | None = None


def address(url: str | None, key: str | None, environment: Mapping[str, str] = os.environ) -> Address:
    """url, key: as options say. Raises click.UsageError for a file that cannot be read."""
    if url:
        return Address(url, key or _key_for(url, environment))
    for url_name, key_name in ENVIRONMENT:
        if found := environment.get(url_name):
            return Address(found, key or environment.get(key_name) or None)
    stored = _stored()
    if found := stored.get("url"):
        return Address(str(found), key or environment.get("WHISPER_KEY") or stored.get("key"))
    return Address(DEFAULT_URL, key or environment.get("WHISPER_KEY") or None)


def _key_for(url: str, environment: Mapping[str, str]) -> str | None:
    """The key that was given for this server elsewhere, or for whichever server is named."""
    for url_name, key_name in ENVIRONMENT:
        named = environment.get(url_name, "")
        is_meant = _same(named, url) if named else key_name == "WHISPER_KEY"
        if is_meant and (found := environment.get(key_name)):
            return found
    stored = _stored()
    return str(stored["key"]) if "key" in stored and _same(str(stored.get("url", "")), url) else None


def _same(one: str, other: str) -> bool:
    return one.rstrip("/").removesuffix("/v1") == other.rstrip("/").removesuffix("/v1")


def configuration_file() -> Path:
    """In the folder that the system has for settings."""
    return Path(click.get_app_dir("whisper-native")) / "config.toml"


def store(where: Address) -> Path:
    """Writes the file, which nobody else may read."""
    path = configuration_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    values = {"url": where.url, **({"key": where.key} if where.key else {})}
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(aside, path)
    return path


def _stored() -> dict[str, Any]:
    path = configuration_file()
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}. Correct it, or log in again.") from None
