"""What an operator may set about the HTTP face. Read once at start and passed down."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from worker.store.upload_limits import UploadLimits

LOCAL_OWNER = "local"  # who owns the jobs of callers without a key
ANY_ORIGIN = "*"
_KEY_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")  # as a browser names a page: scheme, host, port, no path
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}  # which browsers leave out
_KEY = re.compile(r"[\x21-\x7e]{1,512}")  # what fits into a header: printable ASCII without spaces


class ApiSettings(UploadLimits):
    """Environment variables with the prefix WHISPER_, or lines of `.env`; host and port have names of their own."""

    model_config = SettingsConfigDict(
        env_prefix="WHISPER_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,  # or a malformed list of keys would stand in the log
    )

    host: str = Field(
        default="0.0.0.0",  # noqa: S104 - callers from elsewhere are refused until the operator lets them in
        validation_alias=AliasChoices("NATIVE_WHISPER_HOST"),
        description="Address to listen on; `127.0.0.1` for this machine only",
    )
    port: int = Field(
        default=9001,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("NATIVE_WHISPER_PORT"),
        description="Port to listen on",
    )
    api_keys: Annotated[dict[str, SecretStr], NoDecode] = Field(
        default_factory=dict,
        description="API keys: `name:key,name2:key2`; a name sees its own jobs only",
    )
    allow_anonymous: bool = Field(default=False, description="Serve clients from anywhere without a key")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="More host names by which this machine may be called without a key: `nas.local,my-mac`"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose web pages may call the service: `https://app.example,app://obsidian.md`; `*` for "
        "all pages, if everyone needs a key",
    )
    max_uploads: int = Field(
        default=64,
        ge=1,
        description="Concurrent uploads; more wait or get 429. With several API keys none takes more than half",
    )
    max_queued_jobs: int = Field(
        default=10_000, ge=1, description="Jobs that may wait in each queue; further ones get 429"
    )
    max_queued_hours: float = Field(
        default=1000.0,
        gt=0,
        description="Hours of audio that may wait in each queue, by the durations the files declare",
    )
    sync_timeout: float = Field(
        default=590.0,  # the official SDK gives up after 600 s and sends the recording again
        gt=0,
        description="Seconds a synchronous request waits before it is answered with 504 and its job's id",
    )
    dashboard_write: bool = Field(default=False, description="Let the dashboard at /rq requeue and delete jobs")

    @property
    def needs_key(self) -> bool:
        """Whether nobody is served without one."""
        return bool(self.api_keys) and not self.allow_anonymous

    @property
    def any_key(self) -> str:
        """One that opens the service, for its own commands; empty if there are none."""
        return next((key.get_secret_value() for key in self.api_keys.values()), "")

    @property
    def has_several_owners(self) -> bool:
        return len(self.api_keys) + self.allow_anonymous > 1

    @field_validator("api_keys", mode="before")
    @classmethod
    def _parse_keys(cls, value: object) -> object:
        return _parse_api_keys(value) if isinstance(value, str) else value

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _parse_hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(host.strip().lower() for host in value.split(",") if host.strip())

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _parse_origins(cls, value: object) -> object:
        return _parse_cors_origins(value) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _check_any_origin(cls, origins: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if ANY_ORIGIN in origins and (not info.data.get("api_keys") or info.data.get("allow_anonymous")):
            raise ValueError(
                "`*` would let every web page use the service without a key. Name the pages' origins, or set "
                "WHISPER_API_KEYS and leave WHISPER_ALLOW_ANONYMOUS off"
            )
        return origins


def _parse_cors_origins(text: str) -> tuple[str, ...]:
    origins = (each.strip().lower() for each in text.split(",") if each.strip())
    return tuple(dict.fromkeys(map(_parse_origin, origins)))


def _parse_origin(text: str) -> str:
    """As browsers send it. Raises ValueError for what no page can have."""
    origin = text.removesuffix("/")
    if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
        raise ValueError(
            f"'{text[:100]}' is not an origin; write scheme, host and port, as in https://app.example:8443"
        )
    return origin.removesuffix(_DEFAULT_PORTS.get(origin.partition("://")[0], "\0"))


def _parse_api_keys(text: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    for number, entry in enumerate((part.strip() for part in text.split(",")), start=1):
        if not entry:
            continue
        name, colon, key = entry.partition(":")
        if not colon or not _KEY_NAME.fullmatch(name):
            raise ValueError(
                f"entry {number} is not of the form name:key (the name: up to 64 letters, digits, '.', '_', '-')"
            )
        if name == LOCAL_OWNER:
            raise ValueError(f"the name '{LOCAL_OWNER}' stands for callers without a key; choose another")
        if not _KEY.fullmatch(key):
            raise ValueError(f"the key of '{name}' is empty or has characters other than printable ASCII")
        if name in keys or key in keys.values():
            raise ValueError(f"the name or the key of entry {number} ('{name}') stands there twice")
        keys[name] = key
    return keys
