"""A store is tried before it is trusted, and its errors are those of a disk."""

from __future__ import annotations

from typing import Any

import pytest
from obstore.store import MemoryStore

from worker.store.errors import StoreUnfit
from worker.store.objects.bucket import Bucket, Conflict, check


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
