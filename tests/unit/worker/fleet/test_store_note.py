"""A process with another store than those that are alive on its Redis is told so before it does anything."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from fakeredis import FakeRedis, FakeServer

from worker.fleet.store_note import StoreNote
from worker.runtime.exit_codes import STORE_AWAY
from worker.runtime.timing import Timing


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


@pytest.mark.parametrize(("store", "code"), [("s3://bucket/jobs", STORE_AWAY), ("ftp://bucket/jobs", 1)])
def test_a_store_that_is_away_is_told_from_one_that_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], store: str, code: int
) -> None:
    """The supervisor goes on trying for the one and gives up the other."""
    keys = {"access_key_id": "a", "secret_access_key": "b", "region": "r"}
    config = {**keys, "endpoint": "http://127.0.0.1:9"}  # where nobody listens
    settings = SimpleNamespace(data_dir=tmp_path, store=store, store_config=config)
    assert StoreNote.refused_at_start(settings, Timing(), "redis://127.0.0.1:9") == code
    assert store in capsys.readouterr().err
