"""A data directory has one name, whoever asks first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fakeredis import FakeRedis

from worker.fleet.store_note import announce_store, other_stores
from worker.runtime.timing import Timing
from worker.store.store_id import store_id


def test_a_directory_keeps_its_name_wherever_it_lies(tmp_path: Path) -> None:
    first, other = store_id(tmp_path / "a"), store_id(tmp_path / "b")
    assert len(first) == 32
    assert first != other
    (tmp_path / "a").rename(tmp_path / "moved")
    assert store_id(tmp_path / "moved") == first
    assert [path.name for path in (tmp_path / "moved").iterdir()] == ["store.id"]


def test_all_who_ask_at_once_hear_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: store_id(tmp_path), range(8)))) == 1


def test_what_a_later_version_adds_to_the_file_is_ignored(tmp_path: Path) -> None:
    name = store_id(tmp_path)
    (tmp_path / "store.id").write_text(f"{name}\nof later\n")
    assert store_id(tmp_path) == name


def test_others_are_those_that_are_alive_and_not_ours() -> None:
    redis = FakeRedis()
    announce_store(redis, "a", "/data/a on host", Timing().scaled(0.1))
    announce_store(redis, "b", "/data/b on host")
    assert other_stores(redis, "a") == ["/data/b on host"]
    assert other_stores(redis, "c") == ["/data/a on host", "/data/b on host"]
    redis.delete("whisper:store:b")
    assert other_stores(redis, "a") == []
