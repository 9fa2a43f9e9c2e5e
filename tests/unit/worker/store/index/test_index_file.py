"""The index is a cache: lost, damaged, locked or full, it costs nobody a job, an answer or a right list."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.worker.store.index.conftest import Kept
from worker.runtime.timing import Timing
from worker.store.index.index_file import IndexFile, IndexUnavailable
from worker.store.job_store import LocalStore
from worker.store.records import Outcome, new_job_id


def test_a_store_that_nobody_keeps_an_index_of_has_no_file_of_it(tmp_path: Path) -> None:
    kept = LocalStore(tmp_path)
    kept.receive().discard()
    assert not (tmp_path / "index").exists()
    assert list(kept.catalog.of_owner("local")) == []


def test_only_its_owner_can_read_it(kept: Kept) -> None:
    kept.add()
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept.directory.iterdir()} == {0o600}


@pytest.mark.fault(100)
def test_a_deleted_index_costs_nothing_but_making_it_anew(kept: Kept) -> None:
    jobs = [kept.add("failed") for _ in range(3)]
    (old,) = kept.files()
    for path in kept.directory.iterdir():
        path.unlink()
    jobs.append(kept.add("failed"))
    ids = [request.id for request in reversed(jobs)]
    assert kept.listed("failed") == ids
    kept.keep(later=Timing().index_remake)
    assert kept.files() != [old]
    assert kept.by_the_index("failed") == ids


@pytest.mark.fault(101)
@pytest.mark.parametrize("damage", ["garbage", "zeros", "empty", "cut off", "another database"])
def test_a_damaged_index_is_thrown_away(kept: Kept, damage: str) -> None:
    jobs = [kept.add("failed") for _ in range(50)]
    ids = [request.id for request in reversed(jobs)]
    (path,) = kept.files()
    kept.store.index.file.close()  # which writes back its log
    content = path.read_bytes()
    damaged = {
        "garbage": b"not a database at all, " * 4000,
        "zeros": content[:100] + bytes(len(content) - 100),
        "empty": b"",
        "cut off": content[: len(content) // 2],
    }
    path.unlink()
    if damage == "another database":
        sqlite3.connect(path).execute("CREATE TABLE jobs (id)").connection.close()
    else:
        path.write_bytes(damaged[damage])
    again = LocalStore(kept.store.root)
    assert list(again.catalog.of_owner("local", None, "failed")) == ids
    assert again.finish(new_job_id(), Outcome("canceled")) is False
    kept.keep(later=Timing().index_remake)
    kept.keep(later=Timing().index_remake)
    assert not path.exists()
    assert kept.by_the_index("failed") == ids


@pytest.mark.fault(102)
@pytest.mark.parametrize("change", ["comes", "ends", "reopens"])
def test_an_index_that_missed_a_change_is_thrown_away(kept: Kept, change: str) -> None:
    """Another process holds it locked: one that was stopped in the middle of a change."""
    kept.store.index.file.busy = 0.01
    request = kept.add("queued" if change == "ends" else "failed")
    kept.store.index.file.close()
    (path,) = kept.files()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    if change == "comes":
        request = kept.add("queued")
    elif change == "ends":
        kept.store.finish(request.id, Outcome("canceled"))
    else:
        kept.store.reopen(request.id)
    assert kept.listed("canceled" if change == "ends" else "queued") == [request.id]
    assert kept.files() == []
    other.close()


@pytest.mark.fault(102)
def test_a_change_that_may_wait_throws_nothing_away(kept: Kept) -> None:
    kept.store.index.file.busy = 0.01
    answered, deleted = kept.add("failed"), kept.add("failed")
    kept.store.index.file.close()
    (path,) = kept.files()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    kept.store.mark_answered(answered.id)
    kept.store.delete(deleted.id)
    other.close()
    assert kept.files() == [path]
    assert kept.by_the_index("failed") == [deleted.id, answered.id], "each is read before it is shown"


@pytest.mark.fault(103)
def test_a_full_disk_costs_the_index_and_no_job(kept: Kept) -> None:
    kept.store.index.file.read(lambda connection: connection.execute("PRAGMA max_page_count = 1"))
    owner = "a name that takes a page " * 150
    jobs = [kept.add("failed", owner=owner) for _ in range(9)]
    assert kept.files() == []
    assert kept.listed("failed", owner) == [request.id for request in reversed(jobs)]


@pytest.mark.skipif(os.name == "nt" or not os.geteuid(), reason="root may write everywhere")
def test_a_directory_that_takes_no_index_leaves_lists_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir(mode=0o500)
    kept = Kept(tmp_path)
    kept.keep()
    request = kept.add("failed")
    assert kept.listed("failed") == [request.id]


@pytest.mark.fault(104)
def test_a_file_from_before_the_machine_last_started_is_not_believed(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power may have gone in the middle of a change, which is not synced."""
    request = kept.add("failed")
    (path,) = kept.files()
    kept.store.index.check()
    assert kept.files() == [path]
    monkeypatch.setattr("worker.store.index.job_index.boot", lambda: "another")
    kept.store.index.check()
    kept.keep(later=Timing().index_remake)
    assert path not in kept.files()
    assert kept.by_the_index("failed") == [request.id]


@pytest.mark.fault(101)
def test_a_process_killed_in_the_middle_of_a_change_leaves_the_rest_right(kept: Kept) -> None:
    request = kept.add("failed")
    (path,) = kept.files()
    program = f"""
import os, sqlite3
connection = sqlite3.connect({str(path)!r}, isolation_level=None)
connection.execute("PRAGMA synchronous = OFF")
connection.execute("PRAGMA journal_mode = TRUNCATE")
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE jobs SET state = 'queued'")
for number in range(2000):
    connection.execute("INSERT INTO jobs VALUES (?, 'local', 'failed', 0, 0, 0, 0)", (f"job_{{number:028x}}",))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    assert kept.by_the_index("failed") == [request.id]
    assert kept.store.index.unreadable() == 0


def test_whoever_has_an_old_file_open_goes_over_to_the_new_one(kept: Kept) -> None:
    other = LocalStore(kept.store.root)
    request = kept.add("failed")
    assert list(other.catalog.of_owner("local")) == [request.id]
    kept.store.index.file.discard("a test")
    kept.keep(later=Timing().index_remake)
    other.finish(kept.add().id, Outcome("canceled"))
    assert len(kept.by_the_index("canceled")) == 1


def test_without_a_file_there_is_nothing_to_read_or_write(tmp_path: Path) -> None:
    file = IndexFile(tmp_path / "nowhere")
    with pytest.raises(IndexUnavailable):
        file.read(lambda connection: None)
    assert not file.write(lambda connection: None, needed=True)


@pytest.mark.parametrize("name", ["a path (ü) with 50 % of #1?", "line\nbreak", "x" * 200])
def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    kept = Kept(tmp_path / name)
    kept.keep()
    request = kept.add("failed")
    assert kept.by_the_index("failed") == [request.id]
