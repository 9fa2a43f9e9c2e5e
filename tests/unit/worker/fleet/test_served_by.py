"""A shared store is served on one Redis: whoever comes with another is refused, and told which it is."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from obstore.store import MemoryStore

import worker.fleet.store_note
from tests.unit.factories import wait_for
from worker.fleet.served_by import NOTE, ServedBy
from worker.fleet.store_note import StoreNote
from worker.runtime.timing import Timing
from worker.store.objects.bucket import Bucket

QUICK = Timing().scaled(0.1)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket(MemoryStore())


def served(bucket: Bucket, timing: Timing = QUICK) -> ServedBy:
    return ServedBy(bucket, "s3://whisper/jobs", timing)


def note(bucket: Bucket) -> Any:
    try:
        return bucket.get(NOTE).data
    except FileNotFoundError:
        return None


def tell(bucket: Bucket, redis: FakeRedis, by: ServedBy | None = None) -> None:
    """As its process does once the last word is some seconds old."""
    before = note(bucket)
    redis.delete("whisper:database:told")
    (by or served(bucket)).tell(redis)
    wait_for(lambda: note(bucket) != before)


@pytest.mark.fault(175)
def test_whoever_comes_with_another_redis_is_refused_if_the_first_one_still_says_so(bucket: Bucket) -> None:
    first, second = FakeRedis(host="redis.lan"), FakeRedis()
    tell(bucket, first)
    found: list[str | None] = []
    asking = threading.Thread(target=lambda: found.append(served(bucket).problem(second)))
    asking.start()
    while asking.is_alive():
        tell(bucket, first)
    assert "s3://whisper/jobs is served on another Redis, redis.lan:6379, database 0" in str(found[0])
    assert "WHISPER_REDIS_URL" in str(found[0])


def test_the_same_redis_is_welcome_and_so_is_one_that_came_back_empty(bucket: Bucket) -> None:
    redis = FakeRedis()
    assert served(bucket).problem(redis) is None
    tell(bucket, redis)
    assert served(bucket).problem(redis) is None
    redis.flushall()
    tell(bucket, redis)
    assert served(bucket).problem(redis) is None


def test_a_redis_whose_processes_are_gone_is_given_up(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once if that is some time ago, else when none has said anything for a while."""
    tell(bucket, FakeRedis())
    monkeypatch.setattr(ServedBy, "_is_fresh", lambda self: True)
    assert served(bucket, Timing(beat=0.01, presence=0.03)).problem(FakeRedis()) is None
    monkeypatch.setattr(ServedBy, "_is_fresh", lambda self: False)
    assert served(bucket, Timing(presence=30.0)).problem(FakeRedis()) is None


def test_two_that_started_at_the_same_moment_say_so(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        first, ours = FakeRedis(), served(bucket)
        tell(bucket, first, ours)
        first.flushall()
        tell(bucket, first, ours)
        assert not caplog.text, "this one came back empty"
        tell(bucket, FakeRedis())
        tell(bucket, first, ours)
    assert "is served on another Redis" in caplog.text


def test_one_process_of_all_writes_the_note(bucket: Bucket) -> None:
    redis = FakeRedis()
    tell(bucket, redis)
    calls = bucket.calls
    for _ in range(5):
        served(bucket).tell(redis)
    assert bucket.calls == calls


def test_a_process_asks_as_it_starts(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redis = FakeRedis()
    monkeypatch.setattr(worker.fleet.store_note, "connect_briefly", lambda url: redis)
    by = served(bucket)
    monkeypatch.setattr(by, "problem", lambda redis: "It is served elsewhere.")
    started = StoreNote(tmp_path, QUICK, ("id", "s3://whisper/jobs"), by)
    assert started.problem("redis://") == "It is served elsewhere."
    assert not redis.keys("whisper:store:*")
