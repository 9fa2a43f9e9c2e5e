"""Who is alive is told by Redis, and forgotten when nobody says so any more."""

from __future__ import annotations

from dataclasses import replace

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
