"""What an operator may set about webhooks: a part of the worker's settings."""

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
        default=None, description="The service's address as webhook receivers reach it, for the links in the payload"
    )
    webhook_url: Annotated[str, AfterValidator(_checked_url)] | None = Field(
        default=None, description="Webhook URL for jobs that set no `webhook_url` of their own"
    )
    webhook_headers: Annotated[dict[str, SecretStr], NoDecode] = Field(
        default_factory=dict,
        description='Headers to send to `WHISPER_WEBHOOK_URL`: a JSON object, `{"Authorization": "Bearer …"}`',
    )
    webhook_include: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Extra fields in the webhook payload: `text`, `segments`; a job's `webhook_include` replaces it",
    )
    webhook_secret: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Secret that webhooks are signed with: `whsec_…`; several, separated by commas, while it is "
        "rotated; empty: the service generates one",
    )
    webhook_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Webhook receivers allowed on this machine or its network: `localhost,n8n.lan`; `host:port` "
        "also allows ports of other protocols",
    )
    webhook_allowed_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Networks in which webhook receivers are allowed: `127.0.0.0/8,192.168.0.0/16`"
    )
    webhook_ca_file: Path | None = Field(
        default=None, description="CA certificates (PEM file) to trust for webhooks and a `url`, besides the system's"
    )
    webhook_timeout: float = Field(
        default=20.0, ge=1, le=120, description="Timeout of one delivery attempt, in seconds"
    )
    webhook_schedule: Annotated[str, AfterValidator(_checked_schedule)] = Field(
        default=schedule.DEFAULT,
        description="Seconds to wait before each delivery attempt; after the last one the delivery is `exhausted`",
    )

    @property
    def webhook_policy(self) -> Policy:
        networks = tuple(ipaddress.ip_network(text) for text in self.webhook_allowed_networks)
        return Policy(networks, frozenset(self.webhook_allowed_hosts))

    @property
    def webhook_keys(self) -> list[bytes]:
        """Empty if none is set."""
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
