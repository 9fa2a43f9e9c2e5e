"""Recordings come once, right or not at all, and go when there are too many."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from obstore.store import MemoryStore

from tests.unit.factories import make_request
from tests.unit.worker.store.contract.test_jobs import add
from worker.store.local.upload import JUST_BEGUN
from worker.store.objects.bucket import Bucket, Entry
from worker.store.objects.cache import RecordingCache, SumWrong
from worker.store.objects.object_store import ObjectStore
from worker.store.records import Outcome

SIZE = 1000


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    bucket = Bucket(MemoryStore())
    for name in "abc":
        upload(bucket, tmp_path, name, name.encode() * SIZE)
    return bucket


def upload(bucket: Bucket, tmp_path: Path, name: str, content: bytes, digest: str = "") -> None:
    path = tmp_path / "sent"
    path.write_bytes(content)
    bucket.upload(f"jobs/{name}/source", path, digest or hashlib.sha256(content).hexdigest())


def test_a_recording_comes_once(tmp_path: Path, bucket: Bucket) -> None:
    cache = RecordingCache(tmp_path / "cache", bucket)
    with cache.open("a", "source") as path:
        assert path.read_bytes() == b"a" * SIZE
    calls = bucket.calls
    for each in (cache, RecordingCache(tmp_path / "cache", bucket)):
        with each.open("a", "source") as path:
            assert path.read_bytes() == b"a" * SIZE
    assert bucket.calls == calls


@pytest.mark.fault(184)
def test_what_came_otherwise_than_it_was_sent_is_not_kept(tmp_path: Path, bucket: Bucket) -> None:
    upload(bucket, tmp_path, "torn", b"half", "0" * 64)
    cache = RecordingCache(tmp_path / "cache", bucket)
    with pytest.raises(SumWrong), cache.open("torn", "source"):
        pass
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_the_one_used_last_goes_last_and_none_that_is_read(tmp_path: Path, bucket: Bucket) -> None:
    cache = RecordingCache(tmp_path / "cache", bucket, most=2 * SIZE)
    with cache.open("a", "source") as read:
        for name in ("b", "c"):
            with cache.open(name, "source"):
                pass
        assert read.read_bytes() == b"a" * SIZE
    left = {path.name for path in (tmp_path / "cache" / "files").iterdir()}
    assert left == {"b.source", "c.source"}
    assert list((tmp_path / "cache" / "use").iterdir()) == []


def test_what_comes_in_costs_no_look_at_all_others(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With thousands of recordings each upload would cost thousands of looks."""
    cache = RecordingCache(tmp_path / "cache", bucket, most=100 * SIZE)
    files, looks, most = tmp_path / "cache" / "files", [], 0
    listed = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        looks.append(path)
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    for number in range(300):
        sent = tmp_path / "sent"
        sent.write_bytes(b"s" * SIZE)
        cache.take_in(f"job{number}", "source", sent)
        most = max(most, len(os.listdir(files)))
    assert most <= 103
    assert len(looks) < 150, "a look at each would be 300: now it is every fourth of the room left, then every 64th"
    assert f"job{299}.source" in os.listdir(files)


def test_what_was_deleted_on_another_machine_goes(tmp_path: Path) -> None:
    """Nobody may find here what its owner has deleted."""
    bucket = Bucket(MemoryStore())
    here, there = (ObjectStore(bucket, tmp_path / name) for name in ("here", "there"))
    jobs = []
    for _ in range(2):
        upload = there.receive()
        upload.write(b"sound")
        upload.commit(make_request(upload.id))
        with here.local_source(upload.id):
            jobs.append(upload.id)
    there.drop_source(jobs[0])
    here.tidy(3600)
    assert [path.name for path in (tmp_path / "here" / "files").iterdir()] == [f"{jobs[1]}.source"]


def test_what_is_dropped_costs_no_look_at_all_others(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of jobs are deleted, with thousands of recordings there."""
    store = ObjectStore(bucket, tmp_path)
    jobs = [add(store, b"sound").id for _ in range(2)]
    for name in ("playable", "reference.0", "reference.3"):
        for job_id in jobs:
            store.bucket.put(f"jobs/{job_id}/{name}", b"more")
            with store._cache.open(job_id, name):
                pass
    files = tmp_path / "files"
    assert len(list(files.iterdir())) == 8
    with monkeypatch.context() as looked:
        for name in ("listdir", "scandir"):
            real = getattr(os, name)

            def refuse(path: Any = ".", real: Any = real) -> Any:
                assert Path(path) != files
                return real(path)

            looked.setattr(os, name, refuse)
        store.delete(jobs[0])
        store.drop_source(jobs[1])
    assert list(files.iterdir()) == []


def test_a_small_disk_is_not_filled(tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing could be fetched or uploaded any more."""
    files = tmp_path / "cache" / "files"
    room = 3 * SIZE

    def usage(path: Path) -> SimpleNamespace:
        return SimpleNamespace(free=room - sum(file.stat().st_size for file in files.iterdir()))

    monkeypatch.setattr("worker.store.objects.cache.shutil.disk_usage", usage)
    cache = RecordingCache(tmp_path / "cache", bucket)
    for name in "abc":
        with cache.open(name, "source"):
            pass
    assert [path.name for path in files.iterdir()] == ["c.source"]
    room = SIZE  # as others have filled it
    cache.keep_only({"c/source"}, [])
    assert list(files.iterdir()) == []


def test_what_is_on_its_way_makes_no_room(tmp_path: Path, bucket: Bucket) -> None:
    cache = RecordingCache(tmp_path / "cache", bucket, most=SIZE)
    part = tmp_path / "cache" / "files" / "x.source.1.part"
    part.write_bytes(b"x" * SIZE)
    with cache.open("a", "source"):
        assert part.exists()


def test_what_was_fetched_of_a_recording_goes_with_its_job(tmp_path: Path) -> None:
    """Also if it is deleted on another machine, or ends."""
    bucket = Bucket(MemoryStore())
    store, other = (ObjectStore(bucket, tmp_path / machine) for machine in "ab")
    jobs = [add(store, b"").id for _ in range(4)]
    for job_id in jobs:
        with store.fetched_source(job_id) as part:
            part.begin("v1")
            part.write(b"half of it")
    store.delete(jobs[0])
    other.delete(jobs[1])
    other.finish(jobs[2], Outcome("canceled"))
    assert not (tmp_path / "a" / "fetching" / jobs[0]).exists()
    store.tidy(3600)
    assert [path.name for path in (tmp_path / "a" / "fetching").iterdir()] == jobs[3:]


def test_what_comes_while_the_store_is_listed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(Bucket(MemoryStore()), tmp_path)
    fetching = tmp_path / "fetching" / "job_1"

    def listed(folder: str) -> list[Entry]:
        add(store, b"x" * SIZE)
        fetching.mkdir()
        return []

    monkeypatch.setattr(store.bucket, "list", listed)
    store.tidy(3600)
    assert [path.stat().st_size for path in (tmp_path / "files").iterdir()] == [SIZE]
    assert fetching.exists()


def test_a_copy_for_players_that_a_killed_process_left_goes_with_its_job(tmp_path: Path) -> None:
    store = ObjectStore(Bucket(MemoryStore()), tmp_path)
    gone, kept = add(store, b"x").id, add(store, b"x").id
    for job_id in (gone, kept):
        target = store.playable_target(job_id)
        for path in (target, target.with_name(f"{target.name}.77.part")):
            path.touch()
    store.delete(gone)
    store.tidy(3600)
    assert sorted(path.name for path in (tmp_path / "playable").iterdir()) == [kept, f"{kept}.77.part"]


def test_what_a_killed_upload_left_is_swept_on_its_own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that passes over the jobs is mostly another machine's. Also while the store is away."""
    bucket = Bucket(MemoryStore())
    here, there = (ObjectStore(bucket, tmp_path / machine) for machine in ("here", "there"))
    left, alive = here.receive(), here.receive()
    left.write(b"sound")
    left.commit(make_request(left.id))  # and killed before it put its directory away
    incoming = tmp_path / "here" / "incoming"
    for upload in (left, alive):
        os.utime(incoming / upload.id, (time.time() - JUST_BEGUN - 1,) * 2)
    os.utime(incoming / alive.id / "source", (time.time() - JUST_BEGUN - 1,) * 2)
    there.sweep_incoming(3600)
    assert len(os.listdir(incoming)) == 2
    monkeypatch.setattr(here.bucket, "list", fail)
    with pytest.raises(OSError, match="away"):
        here.tidy(3600)
    assert os.listdir(incoming) == [alive.id]
    alive.discard()


def fail(folder: str) -> list[Entry]:
    raise OSError("the store is away")
