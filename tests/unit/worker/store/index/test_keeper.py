"""What was changed behind the index's back is found."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from tests.unit.factories import wait_for
from tests.unit.worker.store.index.conftest import Kept, settle
from worker.runtime.timing import Timing
from worker.store.index.job_row import ABOVE_ALL, job_ids
from worker.store.index.keeper import IndexKeeper
from worker.store.job_store import LocalStore
from worker.store.records import Outcome

TIMING = Timing()


def without_index(kept: Kept) -> LocalStore:
    """The store as an earlier version has it."""
    store = LocalStore(kept.store.root)
    store.index.file.directory = kept.store.root / "nowhere"
    return store


def scanned(kept: Kept) -> None:
    """As if nothing had changed for a while, and all was compared then."""
    for name in job_ids(kept.store.root / "jobs"):
        settle(kept.store.root / "jobs" / name)
    kept.keep(later=TIMING.index_scan)


def test_a_store_with_jobs_gets_an_index(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    jobs = [kept.add("failed"), kept.add("failed")]
    kept.keep()
    assert kept.by_the_index("failed") == [request.id for request in reversed(jobs)]


@pytest.mark.fault(104)
def test_jobs_that_came_or_went_by_other_hands_are_found_within_a_minute(kept: Kept, tmp_path: Path) -> None:
    restored, deleted = kept.add("failed"), kept.add("failed")
    shutil.copytree(kept.path(restored), tmp_path / "backup")
    kept.store.delete(restored.id)
    kept.keep(later=TIMING.reconcile)
    shutil.copytree(tmp_path / "backup", kept.path(restored))
    shutil.rmtree(kept.path(deleted))
    kept.keep(later=TIMING.reconcile)
    assert kept.by_the_index("failed") == [restored.id]


@pytest.mark.fault(104)
@pytest.mark.parametrize("change", ["an earlier version ends it", "an earlier version reopens it", "by hand"])
def test_jobs_that_were_changed_by_other_hands_are_found_within_an_hour(kept: Kept, change: str) -> None:
    request = kept.add("queued" if "ends" in change else "failed")
    scanned(kept)
    if change == "an earlier version ends it":
        without_index(kept).finish(request.id, Outcome("canceled"))
    elif change == "an earlier version reopens it":
        without_index(kept).reopen(request.id)
    else:
        (kept.path(request) / "outcome.json").unlink()
    kept.keep(later=TIMING.index_scan)
    state = "canceled" if "ends" in change else "queued"
    assert [seen.id for seen in kept.store.index.of_owner("local", {"open"}, ABOVE_ALL).jobs] == (
        [] if state == "canceled" else [request.id]
    )
    assert kept.listed(state) == [request.id]  # type: ignore[arg-type]


@pytest.mark.fault(104)
def test_a_change_right_before_it_was_compared_is_not_missed(kept: Kept) -> None:
    """Two changes within one tick of the file system's clock leave the same time."""
    request = kept.add("failed")
    kept.keep(later=TIMING.index_scan)
    times = os.stat(kept.path(request))
    without_index(kept).reopen(request.id)
    os.utime(kept.path(request), ns=(times.st_atime_ns, times.st_mtime_ns))
    kept.keep(later=TIMING.index_scan)
    assert kept.listed("queued") == [request.id]


def test_what_has_not_changed_is_not_read_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        kept.add("failed")
    scanned(kept)
    scanned(kept)
    read: list[Path] = []
    monkeypatch.setattr("worker.store.index.scan.read_row", read.append)
    kept.keep(later=TIMING.index_scan)
    assert read == []


def test_a_record_that_could_not_be_read_is_read_again(kept: Kept) -> None:
    request = kept.add("failed")
    path = kept.path(request) / "job.json"
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    kept.keep(later=TIMING.index_scan)
    assert kept.store.index.unreadable() == 1
    assert kept.listed() == [request.id], "nobody knows whose it is"
    path.write_bytes(content)
    kept.keep(later=TIMING.reconcile)
    assert (kept.store.index.unreadable(), kept.by_the_index("failed")) == (0, [request.id])


def test_a_reopening_is_not_undone_by_an_earlier_look(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper reads an outcome, which is taken back before the keeper writes."""
    request = kept.add("failed")
    correct = kept.store.index.correct

    def after_a_reopening(verified: object) -> bool:
        monkeypatch.undo()
        kept.store.reopen(request.id)
        return correct(verified)  # type: ignore[arg-type]

    monkeypatch.setattr(kept.store.index, "correct", after_a_reopening)
    kept.keep(later=TIMING.index_scan)
    assert kept.listed("queued") == [request.id]


def test_an_end_that_is_told_late_does_not_undo_a_reopening(kept: Kept) -> None:
    request = kept.add()
    seen = kept.store.index.ends(request.id)
    without_index(kept).finish(request.id, Outcome("failed"))
    kept.store.reopen(request.id)
    kept.store.index.ended(seen, "failed")
    assert kept.listed("queued") == [request.id]


def test_an_index_that_nobody_kept_counts_once_it_is_compared(kept: Kept) -> None:
    request = kept.add("failed")
    without_index(kept).reopen(request.id)
    again = LocalStore(kept.store.root)
    assert again.index.verified_from() == ABOVE_ALL
    assert list(again.catalog.of_owner("local", None, "queued")) == [request.id]


def test_one_of_several_keeps_it_and_another_follows(tmp_path: Path) -> None:
    timing = Timing().scaled(0.1)
    store = LocalStore(tmp_path)
    stops = [threading.Event(), threading.Event()]
    keepers = [IndexKeeper(tmp_path / "jobs", LocalStore(tmp_path).index, timing) for _ in stops]
    threads = [threading.Thread(target=keeper.run, args=(stop,)) for keeper, stop in zip(keepers, stops, strict=True)]

    def is_compared() -> bool:
        try:
            return store.index.verified_from() == ""
        except Exception:  # noqa: BLE001 - there is none yet
            return False

    try:
        threads[0].start()
        wait_for(is_compared)
        assert LocalStore(tmp_path).index.verified_from() == "", "who comes later does not doubt what is kept"
        threads[1].start()
        stops[0].set()
        threads[0].join()
        shutil.rmtree(tmp_path / "index")
        wait_for(is_compared)
    finally:
        for stop in stops:
            stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("change", ["comes", "reopens"])
def test_a_change_is_told_to_a_file_that_was_made_in_the_middle_of_it(
    kept: Kept, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file is compared with the directories before the change shows there."""
    request = kept.add("failed")

    call = {"comes": "rename", "reopens": "unlink"}[change]

    def replaced_first(*args: object, **kwargs: object) -> object:
        monkeypatch.undo()
        kept.store.index.file.discard("a test")
        kept.keep(later=TIMING.index_remake)
        return getattr(os, call)(*args, **kwargs)

    monkeypatch.setattr(os, call, replaced_first)
    if change == "comes":
        request = kept.add()
    else:
        kept.store.reopen(request.id)
    assert kept.listed("queued") == [request.id]
    assert kept.by_the_index() == [request.id]
