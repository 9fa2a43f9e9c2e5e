"""Whether the service speaks Wyoming, where, and in whose name."""

from __future__ import annotations

import re

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.settings import ApiSettings

LOOPBACK = "127.0.0.1"
_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]+):)?(?P<port>\d{1,5})")


class WyomingSettings(BaseSettings):
    """Environment variables with the prefix WHISPER_, or lines of `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="WHISPER_", env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True
    )

    wyoming: str | None = Field(
        default=None,
        description="Speak Home Assistant's protocol too, at this `port` of this machine or `host:port` of a network: "
        "`10300`, `0.0.0.0:10300`. It has no keys: whoever reaches the port is served",
    )
    wyoming_owner: str | None = Field(
        default=None,
        description="The name in WHISPER_API_KEYS that owns what comes by WHISPER_WYOMING; needed if there are keys",
    )

    @field_validator("wyoming")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        found = _ADDRESS.fullmatch(value.strip()) if value else None
        if value and (not found or int(found["port"]) > 65535):
            raise ValueError("must be a port or host:port, such as 10300, 0.0.0.0:10300 or [::1]:10300")
        return value

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on; None if it is off."""
        found = _ADDRESS.fullmatch(self.wyoming.strip()) if self.wyoming else None
        return ((found["host"] or LOOPBACK).strip("[]"), int(found["port"])) if found else None

    def problem_with(self, api: ApiSettings) -> str | None:
        """Why it may not be served beside these settings, and what to do; None if it may."""
        if self.address is None:
            return None
        if self.wyoming_owner and self.wyoming_owner not in api.api_keys:
            return f"WHISPER_WYOMING_OWNER: '{self.wyoming_owner[:100]}' is not a name in WHISPER_API_KEYS."
        if api.needs_key and not self.wyoming_owner:
            return (
                "WHISPER_WYOMING: this protocol has no keys, so whoever reaches its port would be served without one, "
                "although WHISPER_API_KEYS is set. If that is meant, say in whose name: WHISPER_WYOMING_OWNER=<a name "
                "in WHISPER_API_KEYS>. Otherwise leave WHISPER_WYOMING out."
            )
        return None

    def key(self, api: ApiSettings) -> str | None:
        """The API key to call our own HTTP with; None if it needs none."""
        return api.api_keys[self.wyoming_owner].get_secret_value() if self.wyoming_owner else None
