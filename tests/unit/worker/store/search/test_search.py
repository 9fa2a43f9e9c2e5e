"""Jobs are found by their words as they are now, by the file and without it, and never another's."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.unit.factories import make_request, make_segment, make_transcript
from worker.store.edits.edits import SegmentChange
from worker.store.index.job_row import ABOVE_ALL
from worker.store.job_store import LocalStore
from worker.store.records import JobRequest, Outcome
from worker.store.search import search_index
from worker.store.search.search_index import has_fts5
from worker.store.search.search_keeper import SearchKeeper

WAYS = [
    pytest.param("words", marks=pytest.mark.skipif(not has_fts5(), reason="this SQLite is built without FTS5")),
    "texts",
    "read",
]


class Searched:
    """A store whose search is kept by hand. way: `words` with FTS5, `texts` without it, `read` without any file."""

    def __init__(self, root: Path, way: str) -> None:
        self.root = root
        self.store = LocalStore(root)
        of_job = self.store.search._document
        self.store.search.__init__(root / "index", of_job, way == "words")  # type: ignore[misc]
        self.keeper = SearchKeeper(root / "jobs", self.store.search)
        self.now = 0.0
        if way != "read":
            (root / "index").mkdir()
            self.keep()

    def keep(self, later: float = 0.0) -> None:
        self.now += later
        self.keeper.keep(self.now)

    def add(self, text: str = "", **changes: Any) -> JobRequest:
        upload = self.store.receive()
        request = make_request(upload.id, **{"filename": "", **changes})
        upload.commit(request)
        if text:
            self.store.save_transcript(request.id, make_transcript(segments=(make_segment(text=text),)))
            self.store.finish(request.id, Outcome("finished"))
        return request

    def found(self, query: str, owner: str = "local", after: str = ABOVE_ALL) -> list[str]:
        def others(before: str) -> Any:
            return self.store.catalog.of_owner(owner, before)

        return list(self.store.search.found(owner, query, after, others))


@pytest.fixture(params=WAYS)
def searched(request: pytest.FixtureRequest, tmp_path: Path) -> Searched:
    return Searched(tmp_path, request.param)


@pytest.fixture(params=WAYS[:2])
def filed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Searched:
    monkeypatch.setattr(search_index, "BUSY", 0.02)
    return Searched(tmp_path, request.param)


def test_name_metadata_and_text_are_searched(searched: Searched) -> None:
    job = searched.add(
        " Grüße aus Köln, 東京都の天気.", filename="Weekly_05.mp3", metadata={"a": [{"b": "Dotmatrix"}, 42]}
    )
    other = searched.add(" Nothing here.")
    for query in ("weekly", "05 mp3", "dotmat", "42", "GRUSSE koln", "天気", "weekly grüße 天気"):
        assert searched.found(query) == [job.id], query
    assert searched.found("here") == [other.id]
    assert searched.found("weekly here") == []


def test_the_newest_come_first_and_pages_go_on(searched: Searched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "ROWS", 2)
    ids = [searched.add(" said").id for _ in range(5)]
    assert searched.found("said") == sorted(ids, reverse=True)
    third = sorted(ids, reverse=True)[2]
    assert searched.found("said", after=third) == sorted(ids, reverse=True)[3:]


def test_nobody_finds_anothers(searched: Searched) -> None:
    searched.add(" secret", owner="ann")
    assert searched.found("secret", "ben") == []


def test_what_is_corrected_is_found_as_it_is_now(searched: Searched) -> None:
    job = searched.add(" Good mourning", filename="x.mp3")
    searched.store.transcripts.change(job.id, 0, [SegmentChange(0, "Good morning", sets=frozenset({"text"}))])
    searched.store.transcripts.entitle(job.id, "Breakfast")
    assert searched.found("morning") == searched.found("breakfast") == [job.id]
    assert searched.found("mourning") == []
    searched.store.transcripts.entitle(job.id, None)
    assert searched.found("breakfast") == []


def test_what_is_deleted_is_not_found(searched: Searched) -> None:
    job = searched.add(" said")
    searched.store.delete(job.id)
    assert searched.found("said") == []


def test_what_is_deleted_leaves_the_file_within_seconds(filed: Searched) -> None:
    jobs = [filed.add(" said zqxsecretword zqxanother", filename="x.mp3"), filed.add(" said", filename="y.mp3")]
    path = filed.store.search.file.current()
    assert path is not None
    assert b"secretword" in path.read_bytes()
    filed.store.delete(jobs[0].id)
    filed.keep(later=1)
    assert not {word for word in (b"secretword", b"another") if word in path.read_bytes()}
    assert filed.found("said") == [jobs[1].id]


def test_a_running_job_is_found_by_its_name(searched: Searched) -> None:
    job = searched.add(filename="talk.mp3")
    assert searched.found("talk") == [job.id]


def test_what_came_before_the_file_is_put_into_it(filed: Searched) -> None:
    jobs = [filed.add(" said") for _ in range(3)]
    filed.store.search.file.discard("for the test")
    assert filed.found("said") == sorted((job.id for job in jobs), reverse=True)
    filed.keep(later=60)
    for job in jobs:  # so that it is not read
        shutil.move(filed.root / "jobs" / job.id, filed.root / job.id)
    assert filed.store.search.verified_from() == ""
    assert filed.found("said") == sorted((job.id for job in jobs), reverse=True)


def test_what_was_changed_by_hand_is_found_within_the_hour(filed: Searched) -> None:
    gone, kept = filed.add(" said"), filed.add(" said")
    shutil.rmtree(filed.root / "jobs" / gone.id)
    other = LocalStore(filed.root)  # of an earlier version, which tells nothing
    other.search.file.directory = filed.root / "nowhere"
    other.transcripts.entitle(kept.id, "Breakfast")
    assert filed.found("breakfast") == []
    filed.keep(later=3601)
    assert filed.found("breakfast") == filed.found("said") == [kept.id]


@pytest.mark.parametrize("by_whom", ["the next change", "the keeper"])
def test_a_change_that_came_while_another_wrote_is_made_later(filed: Searched, by_whom: str) -> None:
    path = filed.store.search.file.current()
    assert path is not None
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    first = filed.add(filename="first.mp3")
    writer.execute("ROLLBACK")
    writer.close()
    filed.add(filename="second.mp3") if by_whom == "the next change" else filed.keep(later=1)
    assert filed.found("first") == [first.id]


def test_no_job_waits_for_a_search_that_lasts(filed: Searched) -> None:
    begun, over = threading.Event(), threading.Event()

    def search(_: sqlite3.Connection) -> None:
        begun.set()
        over.wait(30)

    searching = threading.Thread(target=filed.store.search.file.read, args=(search,))
    searching.start()
    assert begun.wait(30)
    first = filed.add(filename="first.mp3")
    assert not over.is_set()
    assert searching.is_alive()
    over.set()
    searching.join()
    filed.add(filename="second.mp3")
    assert filed.found("first") == [first.id]


def test_a_damaged_file_is_thrown_away_and_made_anew(filed: Searched) -> None:
    job = filed.add(" said")
    path = filed.store.search.file.current()
    assert path is not None
    filed.store.search.file.close()
    path.write_bytes(b"not a database" * 1000)
    assert filed.found("said") == [job.id]
    filed.keep(later=60)
    assert filed.store.search.file.current() not in (None, path)
    assert filed.found("said") == [job.id]


def test_a_file_from_before_the_machine_started_is_made_anew(filed: Searched) -> None:
    job = filed.add(" said")
    before = filed.store.search.file.current()
    filed.store.search._set_fact("boot", "another")
    filed.keep(later=60)
    assert filed.store.search.file.current() != before
    assert filed.found("said") == [job.id]


def test_ids_of_one_moment_are_all_kept(filed: Searched) -> None:
    from worker.store.search.document import Document

    ids = [f"job_0190000000000000{number:012x}" for number in range(5)]
    assert filed.store.search.put([Document(job_id, "local", " said ", 0) for job_id in ids])
    assert sorted(filed.found("said")) == ids
    assert filed.store.search.put([ids[2]])
    assert sorted(filed.found("said")) == [*ids[:2], *ids[3:]]
