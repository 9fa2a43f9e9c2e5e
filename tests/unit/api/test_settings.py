"""Settings are read once, checked with words an operator understands, and never leak a key."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api.settings import ApiSettings
from worker.settings import explain


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ApiSettings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return ApiSettings(_env_file=None)  # type: ignore[call-arg]


def test_host_and_port_go_by_the_names_users_have(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, NATIVE_WHISPER_HOST="127.0.0.1", NATIVE_WHISPER_PORT="9100")
    assert (settings.host, settings.port) == ("127.0.0.1", 9100)


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NATIVE_WHISPER_HOST", "NATIVE_WHISPER_PORT", "WHISPER_API_KEYS"):
        monkeypatch.delenv(name, raising=False)
    settings = read(monkeypatch)
    assert (settings.host, settings.port, settings.max_upload_mb, settings.sync_timeout) == ("0.0.0.0", 9001, 4096, 590)
    assert (settings.api_keys, settings.allow_anonymous, settings.dashboard_write) == ({}, False, False)


def test_keys_are_names_and_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, WHISPER_API_KEYS="ann:sk-1, n8n:sk:2,")
    assert {name: key.get_secret_value() for name, key in settings.api_keys.items()} == {"ann": "sk-1", "n8n": "sk:2"}
    assert "sk-1" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hunter2hunter2", "entry 1 is not of the form name:key"),
        ("ann:s1,hunter2hunter2", "entry 2"),
        ("a b:hunter2hunter2", "entry 1"),
        (":hunter2hunter2", "entry 1"),
        ("ann:", "key of 'ann' is empty"),
        ("ann:hunter2 hunter2", "key of 'ann'"),
        ("local:hunter2hunter2", "stands for callers without a key"),
        ("ann:hunter2hunter2,ann:other", "stands there twice"),
        ("ann:hunter2hunter2,bob:hunter2hunter2", "stands there twice"),
    ],
)
def test_malformed_keys_are_explained_without_showing_them(
    monkeypatch: pytest.MonkeyPatch, text: str, complaint: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        read(monkeypatch, WHISPER_API_KEYS=text)
    assert complaint in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_hosts_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, WHISPER_ALLOWED_HOSTS="NAS.local, mac").allowed_hosts == ("nas.local", "mac")


def test_origins_are_as_browsers_send_them(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "https://App.example/, app://obsidian.md,http://nas:80,https://nas:8443,https://a:443,https://a"
    expected = ("https://app.example", "app://obsidian.md", "http://nas", "https://nas:8443", "https://a")
    assert read(monkeypatch, WHISPER_CORS_ORIGINS=text).cors_origins == expected


@pytest.mark.parametrize("text", ["app.example", "https://app.example/page", "null", "https://*.example x", "https://"])
def test_what_is_no_origin_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(ValidationError, match="is not an origin"):
        read(monkeypatch, WHISPER_CORS_ORIGINS=text)


def test_every_page_may_only_be_let_in_where_everyone_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError) as caught:
        read(monkeypatch, WHISPER_CORS_ORIGINS="*")
    assert "WHISPER_CORS_ORIGINS: `*` would let every web page" in explain(caught.value)
    assert read(monkeypatch, WHISPER_CORS_ORIGINS="*", WHISPER_API_KEYS="ann:sk-1").cors_origins == ("*",)
    with pytest.raises(ValidationError):
        read(monkeypatch, WHISPER_CORS_ORIGINS="*", WHISPER_API_KEYS="ann:sk-1", WHISPER_ALLOW_ANONYMOUS="true")


def test_every_setting_is_described() -> None:
    assert [name for name, field in ApiSettings.model_fields.items() if not field.description] == []
