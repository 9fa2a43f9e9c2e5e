"""Where Wyoming is spoken, and that nobody is let past the API keys by accident."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from scripts.wyoming.settings import WyomingSettings
from tests.unit.api_service import api_settings


def settings(wyoming: str | None = "10300", owner: str | None = None) -> WyomingSettings:
    return WyomingSettings(_env_file=None, wyoming=wyoming, wyoming_owner=owner)  # type: ignore[call-arg]  # pydantic's own


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10300", ("127.0.0.1", 10300)),
        ("0.0.0.0:10300", ("0.0.0.0", 10300)),
        ("nas.local:1", ("nas.local", 1)),
        ("[::1]:10300", ("::1", 10300)),
        (" 0 ", ("127.0.0.1", 0)),
        (None, None),
    ],
)
def test_an_address_is_of_this_machine_unless_a_host_is_named(text: str | None, address: object) -> None:
    assert settings(text).address == address


@pytest.mark.parametrize("text", ["host", ":10300", "::1:10300", "a b:1", "1:2:3", "70000", "tcp://x:1", "-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="port or host:port"):
        settings(text)


def test_it_is_off_by_default() -> None:
    assert settings(None).problem_with(api_settings(api_keys={"a": "k"})) is None
    assert settings(None).address is None


@pytest.mark.parametrize("address", ["10300", "0.0.0.0:10300"])
def test_keys_are_not_gone_round_unless_somebody_says_in_whose_name(address: str) -> None:
    keyed = api_settings(api_keys={"home": "sk-1", "anna": "sk-2"})
    assert "WHISPER_WYOMING_OWNER" in str(settings(address).problem_with(keyed))
    assert "not a name" in str(settings(address, "ben").problem_with(keyed))
    assert settings(address, "home").problem_with(keyed) is None
    assert settings(address, "home").key(keyed) == "sk-1"


def test_without_keys_and_with_anonymous_clients_nobody_needs_a_name() -> None:
    assert settings("0.0.0.0:10300").problem_with(api_settings()) is None
    assert settings().problem_with(api_settings(api_keys={"a": "k"}, allow_anonymous=True)) is None
    assert settings().key(api_settings()) is None
