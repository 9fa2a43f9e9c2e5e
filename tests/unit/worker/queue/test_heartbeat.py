"""Who is alive is told by Redis, and forgotten when nobody says so any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakeredis import FakeRedis

from worker.queue.heartbeat import WorkerHeartbeat, announce, withdraw, workers
from worker.runtime.timing import Timing

READY = WorkerHeartbeat("host-1", "ready", "base", "faster-whisper", "cuda:0", 4711)


def test_all_announced_workers_are_listed_as_they_are() -> None:
    redis = FakeRedis()
    failed = WorkerHeartbeat("host-2", "failed", "bäse", pid=12, error="There is no model 'bäse'.")
    announce(redis, failed)
    announce(redis, READY)
    assert workers(redis) == [READY, failed]


def test_a_later_announcement_replaces_the_one_before() -> None:
    redis = FakeRedis()
    announce(redis, replace(READY, state="failed", error="gone wrong"))
    announce(redis, READY)
    assert workers(redis) == [READY]


def test_a_worker_is_forgotten_after_some_missed_beats() -> None:
    redis = FakeRedis()
    announce(redis, READY)
    assert 2 * Timing().beat < redis.pttl("whisper:worker:host-1") / 1000 <= Timing().presence
    redis.pexpire("whisper:worker:host-1", 1)
    redis.pexpireat("whisper:worker:host-1", 1)
    assert workers(redis) == []


def test_a_worker_that_leaves_is_forgotten_at_once() -> None:
    redis = FakeRedis()
    announce(redis, READY)
    withdraw(redis, READY.name)
    withdraw(redis, READY.name)
    assert workers(redis) == []


def test_a_heartbeat_of_another_version_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    redis = FakeRedis()
    announce(redis, READY)
    redis.hset("whisper:worker:host-1", "of_later", "1")
    redis.hset("whisper:worker:host-2", mapping={"format": "2", "name": "host-2", "state": "dreaming"})
    assert workers(redis) == [READY]
    assert "format 2, which a newer version wrote" in caplog.text


def test_earlier_versions_can_read_a_heartbeat() -> None:
    """They take no field that they do not know, not even the number of the format."""
    redis = FakeRedis()
    announce(redis, READY)
    fields = set(redis.hgetall("whisper:worker:host-1"))
    assert fields == {b"name", b"state", b"model", b"engine", b"device", b"pid", b"error", b"loaded"}
