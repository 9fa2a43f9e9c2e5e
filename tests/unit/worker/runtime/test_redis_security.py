"""A Redis that lies open is told of; one that does not is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from scripts.service.embedded_redis import EmbeddedRedis
from worker.runtime.redis_security import findings, warnings

pytestmark = pytest.mark.fault(61)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/0", "redis://127.0.0.1", "redis://[::1]:6379", "unix:///run/redis.sock", "redis://127.8.8.8",
        "rediss://:pw@redis.example", "redis://",
    ],
)  # fmt: skip
def test_what_nobody_else_can_reach_or_open_is_fine(url: str) -> None:
    assert warnings(url) == []


@pytest.mark.parametrize(
    "url", ["redis://10.0.0.7:6379/0", "redis://[fd00::1]", "redis://redis.invalid", "redis://user@8.8.8.8"]
)
def test_a_place_on_the_network_without_a_password_is_told_of(url: str) -> None:
    told = warnings(url)
    assert "without a password" in told[0]
    assert "WHISPER_REDIS_URL" in told[0]
    assert "not encrypted" in told[1]


def test_a_password_is_enough_in_a_private_network_and_is_never_told() -> None:
    told = warnings("redis://:hunter22@10.0.0.7")
    assert len(told) == 1
    assert "not encrypted" in told[0]
    assert "hunter22" not in told[0]


class Configured(Redis):
    """A Redis that only answers what it is asked of its configuration."""

    def __init__(self, **config: str) -> None:
        self.config = {"bind": "", "requirepass": "", "protected-mode": "no", "port": "6379", **config}

    def config_get(self, pattern: Any = "*", *args: Any, **kwargs: Any) -> Any:
        return {pattern: self.config[pattern]}


@pytest.mark.parametrize("bind", ["", "* -::*", "0.0.0.0", "127.0.0.1 192.168.1.2"])
def test_a_redis_that_lets_everybody_in_is_told_of(bind: str) -> None:
    assert "without a password" in findings(Configured(bind=bind))[0]


@pytest.mark.parametrize(
    "config", [{"bind": "127.0.0.1 -::1"}, {"requirepass": "x"}, {"protected-mode": "yes"}, {"port": "0"}]
)
def test_a_redis_that_does_not_is_fine(config: dict[str, str]) -> None:
    assert findings(Configured(**config)) == []


def test_a_redis_that_may_not_be_asked_is_no_trouble() -> None:
    class Closed(Configured):
        def config_get(self, pattern: Any = "*", *args: Any, **kwargs: Any) -> Any:
            raise NoPermissionError("no permissions to run the 'config|get' command")

    assert findings(Closed()) == []


@pytest.mark.parametrize("unix_sockets", [True, False])
def test_our_own_redis_is_never_exposed(tmp_path: Path, unix_sockets: bool) -> None:
    redis = EmbeddedRedis.plan(tmp_path, tmp_path / "logs", unix_sockets=unix_sockets)
    assert warnings(redis.url) == []
    lines = redis._listen_lines()
    assert "port 0" in lines if unix_sockets else {"bind 127.0.0.1", f"requirepass {redis.password}"} <= set(lines)
