"""Settings of webhooks are checked when they are read, and what is secret is never shown."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from pydantic import ValidationError

from worker.settings import WorkerSettings, explain
from worker.webhooks.headers import check_headers
from worker.webhooks.keys import key_of, new_secret


def read(monkeypatch: pytest.MonkeyPatch, **settings: str) -> WorkerSettings:
    for name, value in settings.items():
        monkeypatch.setenv(f"WHISPER_{name.upper()}", value)
    return WorkerSettings(_env_file=None)  # type: ignore[call-arg]


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = new_secret(), new_secret()
    settings = read(
        monkeypatch,
        webhook_secret=f"{first}, {second}",
        webhook_allowed_hosts="Localhost, n8n.lan:81",
        webhook_allowed_networks="127.0.0.0/8, fd00::/8",
        webhook_include="text,segments",
        webhook_headers='{"Authorization": "Bearer x"}',
    )
    assert settings.webhook_keys == [key_of(first), key_of(second)]
    assert settings.webhook_policy.hosts == {"localhost", "n8n.lan:81"}
    assert settings.webhook_policy.networks == (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("fd00::/8"),
    )
    assert settings.webhook_include == ("text", "segments")
    assert settings.webhook_headers["Authorization"].get_secret_value() == "Bearer x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook_secret", "whsec_tooshort"),
        ("webhook_secret", "a-password-of-mine"),
        ("webhook_allowed_networks", "127.0.0.1/8"),
        ("webhook_allowed_networks", "lan"),
        ("webhook_include", "words"),
        ("webhook_headers", "Authorization: x"),
        ("webhook_headers", '{"webhook-id": "x"}'),
        ("webhook_schedule", "0,soon"),
        ("webhook_url", "n8n.lan/hook"),
        ("public_url", "https://example.com/?a=b"),
        ("webhook_ca_file", "/nowhere/ca.pem"),
        ("webhook_timeout", "0"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ValidationError) as raised:
        read(monkeypatch, **{name: value})
    text = explain(raised.value)
    assert f"WHISPER_{name.upper()}: " in text
    assert value not in text.partition(": ")[2] or name not in ("webhook_secret", "webhook_headers")
    assert value not in str(raised.value) or name not in ("webhook_secret", "webhook_headers")


def test_secrets_are_not_in_the_settings_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = new_secret()
    settings = read(monkeypatch, webhook_secret=secret, webhook_headers='{"Authorization": "Bearer hush"}')
    assert secret not in repr(settings)
    assert "hush" not in repr(settings)


def test_the_certificates_file_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    assert read(monkeypatch, webhook_ca_file=str(tmp_path / "ca.pem")).webhook_ca_file == tmp_path / "ca.pem"


@pytest.mark.fault(53)
@pytest.mark.parametrize(
    "headers",
    [
        [],
        "x",
        {"a": 1},
        {"a": None},
        {"a": "b\r\nx: y"},
        {"a": "b\nx"},
        {"a\r\nb": "c"},
        {"a b": "c"},
        {"": "c"},
        {"a": ""},
        {"a": "ü"},
        {"a:": "b"},
        {"Host": "x"},
        {"content-length": "1"},
        {"Transfer-Encoding": "chunked"},
        {"Webhook-Signature": "v1,x"},
        {"X-A": "1", "x-a": "2"},
        {str(number): "x" for number in range(21)},
        {"a": "x" * 5000},
    ],
)
def test_headers_that_would_bend_the_request_are_refused(headers: object) -> None:
    with pytest.raises(ValueError):
        check_headers(headers)


def test_ordinary_headers_pass() -> None:
    headers = {"Authorization": "Bearer a.b-c_d", "X-Api-Key": "p w", "cf-access-client-id": "1"}
    assert check_headers(headers) == headers
