"""A list of many jobs asks the store for little: not for each of them, and not for what was read before."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from tests.unit.factories import make_request
from tests.unit.worker.store.contract.test_jobs import add
from worker.store.index import row_memory
from worker.store.index.job_row import ABOVE_ALL, OPEN, UNKNOWN, JobRow
from worker.store.index.row_memory import NAME, RowMemory
from worker.store.objects import bucket as objects_bucket
from worker.store.objects import job_rows
from worker.store.objects.bucket import Bucket
from worker.store.objects.object_store import ObjectStore
from worker.store.records import JOB, OUTCOME, Outcome, new_job_id

MANY = 300


@pytest.fixture
def bucket() -> Bucket:
    bucket = Bucket(MemoryStore())
    for number in range(MANY):
        job_id = at(number * 60.0, number)
        bucket.put(f"jobs/{job_id}/job.json", JOB.dump(make_request(job_id, owner="ann" if number % 3 else "ben")))
        if number % 2:
            state: Any = "failed" if number % 10 == 1 else "finished"
            bucket.put(f"jobs/{job_id}/outcome.json", OUTCOME.dump(Outcome(state)))
    return bucket


def at(ago: float, number: int) -> str:
    """An id of so many seconds ago."""
    return f"job_{int((time.time() - ago) * 1000):012x}{number:016x}"


def calls(bucket: Bucket, use: Any) -> tuple[Any, int]:
    before = bucket.calls
    return use(), bucket.calls - before


def test_the_newest_jobs_cost_some_requests(bucket: Bucket, tmp_path: Path) -> None:
    store = ObjectStore(bucket, tmp_path)
    found, requests = calls(
        bucket, lambda: [seen for _, seen in zip(range(5), store.catalog.of_owner("ann"), strict=False)]
    )
    assert [int(job_id[-16:], 16) for job_id in found] == [1, 2, 4, 5, 7]
    assert requests < 60


def test_all_jobs_are_found_in_their_order_and_read_once_on_a_machine(bucket: Bucket, tmp_path: Path) -> None:
    store = ObjectStore(bucket, tmp_path)
    first, requests = calls(bucket, lambda: list(store.catalog.of_owner("ann", None, "failed")))
    assert first == sorted(first, reverse=True)
    assert [int(job_id[-16:], 16) for job_id in first] == [n for n in range(MANY) if n % 10 == 1 and n % 3]
    assert requests >= MANY
    for again in (store, ObjectStore(bucket, tmp_path)):
        found, requests = calls(bucket, lambda again=again: list(again.catalog.of_owner("ann", None, "failed")))
        assert found == first
        assert requests < 15, "also after a restart"


def test_a_list_of_all_reads_no_outcome_and_one_of_those_that_wait_nothing_of_those_that_ended(
    bucket: Bucket, tmp_path: Path
) -> None:
    waiting, requests = calls(
        bucket, lambda: list(ObjectStore(bucket, tmp_path / "a").catalog.of_owner("ann", None, "queued"))
    )
    assert len(waiting) == MANY / 3
    assert requests < MANY / 2 + 15
    store = ObjectStore(bucket, tmp_path / "b")
    all_of_ann, requests = calls(bucket, lambda: list(store.catalog.of_owner("ann")))
    assert len(all_of_ann) == MANY * 2 / 3
    assert requests < MANY + 15
    failed, requests = calls(bucket, lambda: list(store.catalog.of_owner("ann", None, "failed")))
    assert [int(job_id[-16:], 16) for job_id in failed] == [n for n in range(MANY) if n % 10 == 1 and n % 3]
    assert requests < MANY / 2 + 15, "what is known of them is their owner"


def test_of_what_came_in_on_a_machine_a_list_reads_nothing(tmp_path: Path) -> None:
    bucket = Bucket(MemoryStore())
    of_api, of_other_process = ObjectStore(bucket, tmp_path), ObjectStore(bucket, tmp_path)
    jobs = [add(of_api, owner="ann").id for _ in range(20)]
    for job_id in jobs:
        ObjectStore(bucket, tmp_path / "worker").finish(job_id, Outcome("finished"))
    for store in (of_api, of_other_process):
        found, requests = calls(bucket, lambda store=store: list(store.catalog.of_owner("ann")))
        assert set(found) == set(jobs)
        assert requests < 8


@pytest.mark.fault(105)
def test_a_pass_over_jobs_that_wait_or_have_ended_reads_none_of_them(bucket: Bucket, tmp_path: Path) -> None:
    store = ObjectStore(bucket, tmp_path)
    assert calls(bucket, lambda: len(list(store.catalog.not_ended()))) == (MANY / 2, 5)
    assert calls(bucket, lambda: len(list(store.catalog.due(0.0, 1)))) == (MANY / 2, 1)


def test_the_newest_of_very_many_cost_some_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long ago they came, though lists begin with the oldest."""
    monkeypatch.setattr(objects_bucket, "PAGE", 75)
    bucket = Bucket(MemoryStore())
    for number in range(3000):  # 40 pages
        bucket.put(f"jobs/{at(5000 + number / 10, number)}/job.json", b"")
    rows = ObjectStore(bucket, tmp_path)._rows
    found, requests = calls(bucket, lambda: next(rows.pieces(ABOVE_ALL)))
    assert [int(job.id[-16:], 16) for job in found] == list(range(len(found)))
    assert len(found) == job_rows.PIECE
    assert requests < 25
    bucket.put(f"jobs/{at(-10, 0)}/job.json", b"")
    again, requests = calls(bucket, lambda: next(rows.pieces(ABOVE_ALL)))
    assert again[1:] == found[:-1]
    assert requests == 1, "where the last page begins is known by now"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([-50.0, 0.0, 1.0, 70.0, 700.0, 1e4, 1e5, 1e6]), st.integers(1, 5)), max_size=40),
    st.integers(2, 12),
    st.integers(0, 40),
)
def test_all_jobs_come_once_and_in_their_order_however_they_lie(
    jobs: list[tuple[float, int]], page: int, begin: int
) -> None:
    with pytest.MonkeyPatch.context() as patched, TemporaryDirectory() as directory:
        patched.setattr(objects_bucket, "PAGE", page)
        patched.setattr(job_rows, "LARGEST_PIECE", 40)
        bucket = Bucket(MemoryStore())
        for number, (ago, objects) in enumerate(jobs):
            job_id = at(ago, number)
            for name in ("job.json", "a", "peaks.json", "source", "z")[:objects]:
                bucket.put(f"jobs/{job_id}/{name}", b"")
        bucket.put("jobs/of-nobody/job.json", b"")
        rows = ObjectStore(bucket, Path(directory))._rows
        names = {entry.name.partition("/")[0] for entry in bucket.list("jobs/")}
        everyone = sorted(names - {"of-nobody"}, reverse=True)
        before = everyone[begin] if begin < len(everyone) else ABOVE_ALL
        for _ in range(3):
            found = [job.id for piece in rows.pieces(before) for job in piece]
            assert found == [job_id for job_id in everyone if job_id < before]
            if everyone:  # the newest one goes, or another comes
                bucket.delete([f"jobs/{everyone[0]}/{name}" for name in ("job.json", "a", "peaks.json", "source", "z")])
                del everyone[0]
                before = everyone[begin] if begin < len(everyone) else ABOVE_ALL


def test_a_page_begins_where_the_one_before_ended(bucket: Bucket, tmp_path: Path) -> None:
    store = ObjectStore(bucket, tmp_path)
    everyone = list(store.ids())
    assert [seen.id for seen in store.catalog.not_ended()] == [each for n, each in enumerate(everyone) if not n % 2]
    owned = list(store.catalog.of_owner("ben"))
    assert list(store.catalog.of_owner("ben", owned[40])) == owned[41:]


def test_a_list_that_others_make_meanwhile_hides_nothing(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many jobs there are."""
    monkeypatch.setattr(job_rows, "PIECE", 10)
    store = ObjectStore(bucket, tmp_path)
    all_failed = list(store.catalog.of_owner("ann", None, "failed"))
    found = []
    for job_id in store.catalog.of_owner("ann", None, "failed"):
        found.append(job_id)
        next(store.catalog.not_ended())
    assert found == all_failed


def test_a_job_that_ends_or_begins_again_is_read_anew(bucket: Bucket, tmp_path: Path) -> None:
    store = ObjectStore(bucket, tmp_path)
    job_id = at(0.0, 0)
    bucket.put(f"jobs/{job_id}/job.json", JOB.dump(make_request(job_id, owner="eve")))
    assert list(store.catalog.of_owner("eve", None, "queued")) == [job_id]
    for state in ("failed", "canceled"):
        store.finish(job_id, Outcome(state))
        assert list(store.catalog.of_owner("eve", None, state)) == [job_id]
        assert list(store.catalog.of_owner("eve", None, "queued")) == []
        store.reopen(job_id)
        assert list(store.catalog.of_owner("eve", None, "queued")) == [job_id]
    store.delete(job_id)
    assert list(store.catalog.of_owner("eve")) == []


def test_a_cache_that_is_damaged_hides_no_job(bucket: Bucket, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / NAME).write_bytes(b"no database" * 1000)
    store = ObjectStore(bucket, tmp_path)
    assert len(list(store.catalog.of_owner("ben"))) == MANY / 3
    assert "is forgotten" in caplog.text
    assert len(list(ObjectStore(bucket, tmp_path).catalog.of_owner("ben"))) == MANY / 3


def test_a_cache_that_others_write_as_it_is_opened_is_used_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the processes of a machine do that begin at once."""
    monkeypatch.setattr(row_memory, "PATIENCE", 0.0)
    other = sqlite3.connect(tmp_path / row_memory.NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    memory, row = RowMemory(tmp_path), JobRow(new_job_id(), "a", OPEN, False, UNKNOWN)
    assert memory.find(row.id, None) is None
    other.close()
    memory.keep(row, None)
    assert memory.find(row.id, None) == row
