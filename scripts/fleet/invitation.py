"""The line that makes another machine a worker of this service, and what stands in its way."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from worker.runtime.redis_security import is_loopback
from worker.runtime.redis_security import warnings as exposure

REDIS, STORE, DATA, ENDPOINT = "WHISPER_REDIS_URL", "WHISPER_STORE", "WHISPER_DATA_DIR", "AWS_ENDPOINT_URL"

# What has to be the same on every machine: where jobs are, what becomes of them, and which models they may name.
SHARED = (
    REDIS,
    STORE,
    ENDPOINT,
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "WHISPER_MODEL",
    "WHISPER_MODELS",
    "WHISPER_MODEL_ALIASES",
    "WHISPER_BEAM_SIZE",
    "WHISPER_CONTEXT",
    "WHISPER_MAX_AUDIO_HOURS",
    "WHISPER_MAX_UPLOAD_MB",
    "WHISPER_KEEP_AUDIO",
    "WHISPER_KEEP_JOBS",
    "WHISPER_URL_ALLOWED_HOSTS",
    "WHISPER_URL_ALLOWED_NETWORKS",
)

OWN_REDIS = (
    "The service has a Redis of its own, which no other machine can reach. Run one that they can, with TLS and a "
    "password, set WHISPER_REDIS_URL, restart the service, and ask again."
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """line: for the shell of the other machine, in a clone of this repository; it holds passwords. notes: for who sends
    it."""

    line: str
    notes: tuple[str, ...]


def invitation(settings: Mapping[str, str], data_dir: str) -> Invitation | None:
    """None without a Redis that is not the service's own. settings: by their names, as they were set. data_dir:
    absolute, for a service without a shared store."""
    if not settings.get(REDIS):
        return None
    told = {name: settings[name] for name in SHARED if settings.get(name)}
    if STORE not in told:
        told[DATA] = data_dir
    told["WHISPER_ROLES"] = "worker"
    lines = " ".join(shlex.quote(f"{name}={value}") for name, value in told.items())
    client = "make engine EXTRA=s3 && " if STORE in told else ""
    # Begins with a line's end: the file may be there, and end without one.
    line = f"(umask 077; printf '\\n%s' {lines} '' >> .env) && {client}python3 scripts/whisper-native.py start"
    return Invitation(line, tuple(_notes(told)))


def _notes(told: Mapping[str, str]) -> Iterator[str]:
    redis, endpoint = told[REDIS], told.get(ENDPOINT, "")
    yield from _unreachable(REDIS, redis)
    yield from exposure(redis)
    for path in parse_qs(urlsplit(redis).query).get("ssl_ca_certs", []):
        yield f"Copy {path} to the same place there: it verifies the certificate of Redis."
    if endpoint:
        yield from _unreachable(ENDPOINT, endpoint)
    if STORE not in told:
        yield (
            f"No WHISPER_STORE is set, so the other machine has to see {told[DATA]} at the same place, on a file "
            "system that both mount. With an object store it needs none: docs/FLEET.md."
        )
    opened = [_address(redis, 6379), *([_address(endpoint, 443)] if endpoint else [])]
    yield f"It must reach {' and '.join(filter(None, opened))}: open that to it alone. It needs no open port itself."
    yield "The line holds passwords. Send it as you would send those."


def _unreachable(setting: str, url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme == "unix" or is_loopback(parts.hostname or "localhost"):
        yield (
            f"{setting} is reached on this machine alone ({_address(url, 0) or 'a socket'}). Let it listen at an "
            "address of the network, and name that in the setting."
        )


def _address(url: str, port: int) -> str:
    """Without secrets."""
    parts = urlsplit(url)
    if parts.scheme == "unix" or not parts.hostname:
        return ""
    return f"{parts.hostname}:{parts.port or port}"
