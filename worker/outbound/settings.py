"""What an operator may set about recordings that are fetched: a part of the worker's settings."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

from worker.outbound.addresses import RECORDINGS, Policy


def _parts(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip().lower() for part in value.split(",") if part.strip())


def _checked_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        ipaddress.ip_network(text)
    return value


_Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)]


class UrlSettings(BaseSettings):
    """Environment variables with the prefix WHISPER_; see WorkerSettings."""

    url_allowed_hosts: _Names = Field(
        default=(),
        description="Hosts on this machine or its network from which a `url` may be fetched: `nas.lan,localhost:8080`; "
        "`host:port` also allows ports of other protocols",
    )
    url_allowed_networks: Annotated[_Names, AfterValidator(_checked_networks)] = Field(
        default=(), description="Networks from which a `url` may be fetched: `192.168.0.0/16`"
    )
    url_timeout: float = Field(
        default=3600.0,
        gt=0,
        description="Seconds one attempt to fetch a `url` may take; the next one goes on where it broke off",
    )

    @property
    def url_policy(self) -> Policy:
        networks = tuple(ipaddress.ip_network(text) for text in self.url_allowed_networks)
        return Policy(networks, frozenset(self.url_allowed_hosts), RECORDINGS)
