"""A store is tried before it is trusted, and its errors are those of a disk."""

from __future__ import annotations

from typing import Any

import pytest
from obstore.exceptions import PermissionDeniedError
from obstore.store import MemoryStore
from pydantic import ValidationError

from worker.store.errors import StoreUnfit
from worker.store.objects.bucket import Bucket, Conflict, check
from worker.store.objects.settings import SharedStoreSettings


def test_a_store_that_honours_conditions_passes_and_nothing_is_left() -> None:
    bucket = Bucket(MemoryStore())
    check(bucket)
    assert list(bucket.list("probe/")) == []


@pytest.mark.fault(182)
@pytest.mark.parametrize("condition", ["create", "swap"])
def test_a_store_that_ignores_conditions_is_refused(monkeypatch: pytest.MonkeyPatch, condition: str) -> None:
    """As some servers do, and answer 200."""
    bucket = Bucket(MemoryStore())

    def ignore(key: str, data: bytes, tag: str = "") -> str:
        bucket.put(key, data)
        return tag

    if condition == "create":
        monkeypatch.setattr(bucket, "create", ignore)
    else:
        monkeypatch.setattr(bucket, "swap", ignore)
    with pytest.raises(StoreUnfit, match=r"ignores conditions .* Use one that honours them"):
        check(bucket)
    assert list(bucket.list("probe/")) == []


def test_a_first_answer_that_was_lost_is_no_conflict() -> None:
    """The client repeats a request whose connection broke; the first one may have arrived."""
    bucket = Bucket(MemoryStore())
    tag = bucket.create("a", b"mine")
    assert bucket.create("a", b"mine") == tag
    with pytest.raises(Conflict):
        bucket.create("a", b"another's")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            '403 Forbidden: <?xml version="1.0"?>\n<Error><Code>SignatureDoesNotMatch</Code></Error>',
            "AWS_SECRET_ACCESS_KEY",
        ),
        ("404: <Error><Code>NoSuchBucket</Code></Error>", "NoSuchBucket: the bucket in WHISPER_STORE is not there"),
        (
            "403: <Error><Code>RequestTimeTooSkewed</Code></Error>",
            "this machine's clock is more than a quarter of an hour",
        ),
        ("503: <Error><Code>SlowDown</Code></Error>", "SlowDown"),
        ('reset by peer<?xml version="1.0"?>\nmore', "reset by peer"),
    ],
)
def test_the_stores_own_code_is_said_with_what_to_do(answer: str, said: str) -> None:
    bucket = Bucket(MemoryStore())
    with pytest.raises(OSError, match=said) as raised, bucket._asking():
        raise PermissionDeniedError(answer)
    assert "<" not in str(raised.value)


def test_what_is_no_address_is_said() -> None:
    for url in ("ftp://x/y", "s3:/", "data"):
        with pytest.raises(StoreUnfit, match="cannot be used"):
            Bucket.at(url)


def test_a_store_that_cannot_be_reached_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.store.objects.bucket.TRIES", 0)
    bucket = Bucket.at(
        "s3://bucket/prefix",
        endpoint="http://127.0.0.1:1",
        access_key_id="a",
        secret_access_key="b",
        region="us-east-1",
    )
    calls: list[Any] = [lambda: bucket.get("a"), lambda: list(bucket.list("a/")), lambda: bucket.put("a", b"")]
    for call in calls:
        with pytest.raises(OSError, match="The store does not answer as it should"):
            call()


def test_a_change_whose_answer_was_lost_is_no_conflict() -> None:
    bucket = Bucket(MemoryStore())
    first = bucket.create("a", b"mine")
    second = bucket.swap("a", b"mine, changed", first)
    assert bucket.swap("a", b"mine, changed", first) == second
    with pytest.raises(Conflict):
        bucket.swap("a", b"another's", first)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint", "127.0.0.1:8333"),
        ("endpoint", " http://127.0.0.1:8333"),
        ("endpoint", "http://127.0.0.1:eight"),
        ("endpoint", "http://127.0.0.1:99999"),
        ("endpoint", "http://anna:hidden@127.0.0.1:8333"),
        ("endpoint", "http://"),
        ("access_key_id", "hidden\n"),
        ("secret_access_key", "hidden\n"),
    ],
)
def test_what_the_client_would_break_off_at_is_said_before(name: str, value: str) -> None:
    keys = {"access_key_id": "a", "secret_access_key": "b", "region": "us-east-1", "endpoint": "http://127.0.0.1:1"}
    with pytest.raises(StoreUnfit, match=r"AWS_ENDPOINT_URL|cannot be printed") as caught:
        Bucket.at("s3://bucket/prefix", **{**keys, name: value})
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://anna:hidden@bucket/prefix", "s3://bucket/prefix?key=hidden"])
def test_a_key_in_the_stores_name_is_refused(url: str) -> None:
    """It is shown to people, and told to Redis."""
    with pytest.raises(ValidationError, match="Keys belong in AWS_ACCESS_KEY_ID"):
        SharedStoreSettings(store=url)


@pytest.mark.parametrize(
    "endpoint", ["https://store.lan", "http://[::1]:8333", "http://10.0.0.1:8333/", "https://a_b/c"]
)
def test_addresses_of_stores(endpoint: str) -> None:
    Bucket.at("s3://bucket/prefix", access_key_id="a", secret_access_key="b", region="r", endpoint=endpoint)
