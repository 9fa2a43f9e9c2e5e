"""One line makes another machine a worker, and what it cannot do by itself is said beside it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from scripts.fleet.invitation import Invitation, invitation

REDIS = "rediss://:it's $ecret@redis.lan:6380/0?ssl_ca_certs=/etc/ssl/ca.pem"
STORE = {
    "WHISPER_STORE": "s3://whisper/jobs",
    "AWS_ENDPOINT_URL": "https://store.lan:8333",
    "AWS_ACCESS_KEY_ID": "box",
    "AWS_SECRET_ACCESS_KEY": "a/b+c=",
}


def invited(**settings: str) -> Invitation:
    found = invitation({"WHISPER_REDIS_URL": REDIS, **settings}, "/srv/data")
    assert found
    return found


def notes(**settings: str) -> str:
    return "\n".join(invited(**settings).notes)


def test_the_line_leaves_a_worker_what_it_has_to_share_and_nothing_else(tmp_path: Path) -> None:
    own = {"WHISPER_API_KEYS": "anna:sk-1", "WHISPER_DEVICE": "cuda", "WHISPER_MODELS": "base,large-v3"}
    line, _, start = invited(**STORE, **own).line.partition(" && ")
    assert start == "make engine EXTRA=s3 && python3 scripts/whisper-native.py start"
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True)
    assert dotenv_values(tmp_path / ".env", interpolate=False) == {
        "WHISPER_REDIS_URL": REDIS,
        **STORE,
        "WHISPER_MODELS": "base,large-v3",
        "WHISPER_ROLES": "worker",
    }
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


def test_settings_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WHISPER_DEVICE=cuda")
    subprocess.run(["sh", "-c", invited(**STORE).line.partition(" && ")[0]], cwd=tmp_path, check=True)
    found = dotenv_values(tmp_path / ".env", interpolate=False)
    assert (found["WHISPER_DEVICE"], found["WHISPER_REDIS_URL"]) == ("cuda", REDIS)


def test_what_must_be_opened_is_said_without_secrets() -> None:
    told = notes(**STORE)
    assert "redis.lan:6380 and store.lan:8333" in told
    assert "/etc/ssl/ca.pem" in told
    assert not any(secret in told for secret in ("$ecret", "a/b+c=", "alone ("))


def test_without_a_shared_store_both_have_to_see_the_directory() -> None:
    assert "'WHISPER_DATA_DIR=/srv/data'" in invited().line or " WHISPER_DATA_DIR=/srv/data" in invited().line
    assert "/srv/data at the same place" in notes()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"WHISPER_REDIS_URL": "redis://127.0.0.1:6379/0"}, "WHISPER_REDIS_URL is reached on this machine alone"),
        ({"WHISPER_REDIS_URL": "unix:///run/redis.sock"}, "WHISPER_REDIS_URL is reached on this machine alone"),
        ({"WHISPER_REDIS_URL": "redis://192.0.2.7/0"}, "without a password"),
        ({"WHISPER_REDIS_URL": "redis://:x@192.0.2.7/0"}, "not encrypted"),
        ({**STORE, "AWS_ENDPOINT_URL": "http://localhost:8333"}, "AWS_ENDPOINT_URL is reached on this machine alone"),
    ],
)
def test_what_stands_in_the_way_is_said(settings: dict[str, str], told: str) -> None:
    assert told in notes(**settings)


def test_a_service_with_a_redis_of_its_own_cannot_invite() -> None:
    assert invitation({"WHISPER_MODEL": "base"}, "/srv/data") is None
