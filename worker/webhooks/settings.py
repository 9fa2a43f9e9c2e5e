"""What an operator may set about call-backs: a part of the worker's settings."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from worker.outbound.addresses import Policy
from worker.outbound.target import Refused, Target
from worker.webhooks import schedule
from worker.webhooks.headers import check_headers
from worker.webhooks.keys import key_of
from worker.webhooks.message import INCLUDABLE
from worker.webhooks.schedule import Schedule


def _checked_schedule(text: str) -> str:
    Schedule.parse(text)
    return text


def _checked_url(text: str) -> str:
    try:
        Target.parse(text)
    except Refused as error:
        raise ValueError(str(error)) from None
    return text


def _checked_base(text: str) -> str:
    parts = urlsplit(_checked_url(text))
    if parts.query or parts.fragment:
        raise ValueError("is an address without a query, such as https://whisper.example.com")
    return text.rstrip("/")


class WebhookSettings(BaseSettings):
    """Environment variables with the prefix WHISPER_; see WorkerSettings."""

    public_url: Annotated[str, AfterValidator(_checked_base)] | None = Field(
        default=None, description="This service's address as receivers of call-backs reach it, for the links in them"
    )
    webhook_url: Annotated[str, AfterValidator(_checked_url)] | None = Field(
        default=None, description="Where jobs call back that name no `webhook_url` of their own"
    )
    webhook_headers: Annotated[dict[str, SecretStr], NoDecode] = Field(
        default_factory=dict, description='Headers sent there: a JSON object, `{"Authorization": "Bearer …"}`'
    )
    webhook_include: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="What call-backs hold besides the job, unless it says so itself: `text`, `segments`"
    )
    webhook_secret: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="What call-backs are signed with: `whsec_…`, several with commas while they change; else the "
        "service makes one of its own",
    )
    webhook_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts on this machine or its network that may be called back: `localhost,n8n.lan`; `host:port` "
        "also allows a port of other protocols",
    )
    webhook_allowed_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Networks that may be called back besides the internet: `127.0.0.0/8,192.168.0.0/16`"
    )
    webhook_ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) of authorities to trust besides the system's"
    )
    webhook_timeout: float = Field(default=20.0, ge=1, le=120, description="Seconds a call-back may take in all")
    webhook_schedule: Annotated[str, AfterValidator(_checked_schedule)] = Field(
        default=schedule.DEFAULT,
        description="Seconds before each attempt; after the last the delivery is exhausted",
    )

    @property
    def webhook_policy(self) -> Policy:
        networks = tuple(ipaddress.ip_network(text) for text in self.webhook_allowed_networks)
        return Policy(networks, frozenset(self.webhook_allowed_hosts))

    @property
    def webhook_keys(self) -> list[bytes]:
        """Empty where none is set."""
        return [key_of(secret.get_secret_value()) for secret in self.webhook_secret]

    @field_validator("webhook_include", "webhook_allowed_hosts", "webhook_allowed_networks", mode="before")
    @classmethod
    def _parse_list(cls, value: object) -> object:
        return tuple(part.lower() for part in _parts(value)) if isinstance(value, str) else value

    @field_validator("webhook_secret", mode="before")
    @classmethod
    def _parse_secrets(cls, value: object) -> object:
        return tuple(_parts(value)) if isinstance(value, str) else value

    @field_validator("webhook_headers", mode="before")
    @classmethod
    def _parse_headers(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            headers: Any = json.loads(value)
        except ValueError:
            raise ValueError("is a JSON object") from None
        return check_headers(headers)

    @field_validator("webhook_secret")
    @classmethod
    def _check_secrets(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            key_of(secret.get_secret_value())
        return value

    @field_validator("webhook_include")
    @classmethod
    def _check_include(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not set(value) <= set(INCLUDABLE):
            raise ValueError(f"is one or more of {', '.join(INCLUDABLE)}")
        return value

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_network(text)
        return value

    @field_validator("webhook_ca_file")
    @classmethod
    def _check_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("is no file")
        return value


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
