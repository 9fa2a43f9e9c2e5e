"""A process with another store than those that are alive on its Redis is told so before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakeredis import FakeRedis, FakeServer

from worker.fleet.store_note import StoreNote


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> FakeRedis:
    server = FakeServer()
    monkeypatch.setattr("worker.fleet.store_note.connect_briefly", lambda url: FakeRedis(server=server))
    return FakeRedis(server=server)


def test_whoever_comes_second_with_another_store_is_refused(redis: FakeRedis, tmp_path: Path) -> None:
    first, second = StoreNote(tmp_path / "first"), StoreNote(tmp_path / "second")
    assert first.problem("redis://") is None
    problem = second.problem("redis://")
    assert problem
    assert str(tmp_path / "first") in problem
    assert "WHISPER_DATA_DIR" in problem
    assert StoreNote(tmp_path / "first").problem("redis://") is None, "one more of the same store is welcome"
    assert second.others(redis)
    redis.flushall()
    assert second.problem("redis://") is None


def test_without_redis_nobody_is_refused(redis: FakeRedis, tmp_path: Path) -> None:
    StoreNote(tmp_path / "first").tell(redis)
    redis.connection_pool.connection_kwargs["server"].connected = False
    assert StoreNote(tmp_path / "second").problem("redis://") is None
