"""A webhook's signature is Standard Webhooks to the letter: what others wrote verifies it."""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from worker.webhooks.keys import BadSecret, key_of, new_secret, own_secret
from worker.webhooks.signature import sign, signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # this and the next three: the vector of the specification
EVENT = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
BODY = b'{"test": 2432232314}'


def test_the_published_vector() -> None:
    assert sign(key_of(SECRET), EVENT, AT, BODY) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_librarys_signature_is_ours() -> None:
    for body in (BODY, '{"text":"Größe 漢字"}'.encode(), b""):
        theirs = Verifier(SECRET).sign(EVENT, datetime.fromtimestamp(AT, UTC), body.decode())
        assert sign(key_of(SECRET), EVENT, AT, body) == theirs


def signed(*secrets: str, at: float | None = None, body: bytes = BODY) -> dict[str, str]:
    return signed_headers([key_of(secret) for secret in secrets], "evt_1", int(at or time.time()), body)


def without(name: str) -> dict[str, str]:
    return {other: value for other, value in signed(SECRET).items() if other != name}


def test_the_published_library_verifies_it() -> None:
    assert Verifier(SECRET).verify(BODY, signed(SECRET)) == json.loads(BODY)


@pytest.mark.parametrize(
    ("made", "body"),
    [
        (lambda: signed(SECRET), BODY + b" "),
        (lambda: signed(new_secret()), BODY),
        (lambda: {**signed(SECRET), "webhook-id": "evt_2"}, BODY),
        (lambda: signed(SECRET, at=time.time() - 301), BODY),
        (lambda: signed(SECRET, at=time.time() + 360), BODY),
        (lambda: without("webhook-id"), BODY),
        (lambda: without("webhook-timestamp"), BODY),
        (lambda: without("webhook-signature"), BODY),
    ],
    ids=["body", "key", "id", "too old", "too new", "no id", "no timestamp", "no signature"],
)
def test_what_was_changed_is_refused_by_the_published_library_and_by_openais(
    made: Callable[[], dict[str, str]], body: bytes
) -> None:
    headers = made()
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(body, headers)
    import openai  # half a second, in every process that only collects tests

    with (
        openai.OpenAI(api_key="unused", webhook_secret=SECRET) as client,
        pytest.raises((openai.InvalidWebhookSignatureError, ValueError)),
    ):
        client.webhooks.verify_signature(body, headers)


def test_while_secrets_change_a_receiver_with_either_is_served() -> None:
    old, new = new_secret(), new_secret()
    headers = signed(new, old)
    assert re.fullmatch(r"v1,[A-Za-z0-9+/]{43}= v1,[A-Za-z0-9+/]{43}=", headers["webhook-signature"])
    for secret in (old, new):
        Verifier(secret).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(new_secret()).verify(BODY, headers)


def test_openais_sdk_unwraps_it() -> None:
    body = b'{"type":"transcription.completed","timestamp":"2026-01-01T00:00:00.000Z","data":{"id":"job_1"}}'
    import openai

    with openai.OpenAI(api_key="unused", webhook_secret=SECRET) as client:
        client.webhooks.verify_signature(body, signed(SECRET, body=body))
        event = client.webhooks.unwrap(body, signed(SECRET, body=body))
    assert event.type == "transcription.completed"  # type: ignore[comparison-overlap]  # it knows OpenAI's alone


def test_a_new_secret_is_long_enough_and_its_bytes_are_printable_text() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert 24 <= len(key_of(first)) <= 64
    assert re.fullmatch(r"[\x21-\x7e]+", key_of(first).decode("ascii"))


@pytest.mark.parametrize("secret", ["", "whsec_", "abc", "whsec_!!!", "whsec_" + base64.b64encode(b"short").decode()])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(BadSecret, match="webhook-secret --new"):
        key_of(secret)


def test_a_secret_without_its_padding_means_the_same() -> None:
    padded = "whsec_" + base64.b64encode(b"x" * 25).decode()
    assert key_of(padded.rstrip("=")) == key_of(padded) == b"x" * 25


def test_the_services_own_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    secret = own_secret(tmp_path)
    assert own_secret(tmp_path) == secret
    assert key_of(secret)
    assert [path.name for path in tmp_path.iterdir()] == ["webhook-secret"]
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "webhook-secret").stat().st_mode) == 0o600


def test_a_secret_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        own_secret(tmp_path)
    assert list(tmp_path.iterdir()) == []
