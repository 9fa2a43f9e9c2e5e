"""Lists are the same with the index, without it, and while it comes and goes."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import get_args

import pytest

from tests.unit.worker.store.index.conftest import Kept
from worker.store.index import catalog, scan
from worker.store.index.job_row import ABOVE_ALL
from worker.store.job_store import JobNotFound
from worker.store.records import ENDED, Outcome, State, Webhook

STATUSES: tuple[State | None, ...] = (None, "queued", "finished", "failed", "canceled")


def by_the_directories(kept: Kept, status: State | None, owner: str = "local") -> list[str]:
    found = []
    for job_id in kept.store.ids():
        outcome = kept.store.outcome(job_id)
        if kept.store.request(job_id).owner == owner and status in (None, outcome.state if outcome else "queued"):
            found.append(job_id)
    return found


def confirmed(kept: Kept, status: State | None) -> list[str]:
    """The candidates that are what was asked for, as the list of an API finds them."""
    found = []
    for job_id in kept.listed(status):
        with contextlib.suppress(JobNotFound):
            kept.store.request(job_id)
            outcome = kept.store.outcome(job_id)
            if status in (None, outcome.state if outcome else "queued"):
                found.append(job_id)
    return found


def test_an_owners_jobs_are_found_newest_first_by_the_index_alone(kept: Kept) -> None:
    jobs = [kept.add("finished") for _ in range(3)]
    kept.add("finished", owner="another")
    failed = kept.add("failed")
    waiting = kept.add()
    ids = [request.id for request in (*jobs, failed, waiting)][::-1]
    assert kept.listed() == ids
    assert kept.listed(after=ids[1]) == ids[2:]
    assert kept.listed("failed") == [failed.id], "what waits is not looked at"
    assert kept.listed("queued") == kept.listed("started") == [waiting.id]
    assert kept.listed(owner="nobody") == []


@pytest.mark.parametrize("pages", [1, 3, 128])
def test_pages_leave_nothing_out_and_repeat_nothing(kept: Kept, pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.store.index.job_index.ROWS", pages)
    jobs = [kept.add(state) for state in ("finished", "queued", "failed", "finished", "canceled", "queued", "finished")]
    assert kept.listed() == [request.id for request in reversed(jobs)]


@pytest.mark.parametrize("verified", range(8))
def test_below_what_the_index_can_be_relied_on_directories_are_read(
    kept: Kept, verified: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "PIECE", 2)
    jobs = [kept.add(state) for state in ("finished", "failed", "queued", "failed", "finished", "canceled", "failed")]
    ids = [request.id for request in reversed(jobs)]
    kept.store.index.verify_from([*ids, ABOVE_ALL][verified - 1])
    assert kept.listed() == ids
    assert confirmed(kept, "failed") == [ids[0], ids[3], ids[5]]


@pytest.mark.fault(100)
@pytest.mark.parametrize("when", ["before", "after the first", "after the fourth"])
@pytest.mark.parametrize("change", ["goes", "comes back empty", "is verified"])
def test_the_index_may_go_and_come_while_a_list_is_read(
    kept: Kept, when: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.store.index.job_index.ROWS", 2)
    monkeypatch.setattr(catalog, "PIECE", 2)
    jobs = [kept.add("finished") for _ in range(7)]

    def come_back() -> None:
        kept.store.index.file.discard("a test")
        kept.store.index.file.create()

    changes: dict[str, Callable[[], None]] = {
        "goes": lambda: kept.store.index.file.discard("a test"),
        "comes back empty": come_back,
        "is verified": lambda: kept.store.index.verify_from(""),
    }
    if change == "is verified":
        kept.store.index.verify_from(ABOVE_ALL)
    found = kept.store.catalog.of_owner("local")
    read = [next(found) for _ in range({"before": 0, "after the first": 1, "after the fourth": 4}[when])]
    changes[change]()
    assert read + list(found) == [request.id for request in reversed(jobs)]


def test_whatever_happens_the_lists_are_those_of_the_directories(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many changes at random, of which some are made behind the index's back and found by the keeper."""
    monkeypatch.setattr(scan, "PIECE", 3)
    chance = random.Random(29)

    def change() -> None:
        ids = list(kept.store.ids())
        if not ids or chance.random() < 0.3:
            kept.add(chance.choice(get_args(State)), owner=chance.choice(["local", "another"]))
            return
        job_id = chance.choice(ids)
        match chance.randrange(6):
            case 0 | 1:
                kept.store.finish(job_id, Outcome(chance.choice(ENDED)))  # type: ignore[arg-type]
            case 2:
                with contextlib.suppress(JobNotFound):
                    kept.store.reopen(job_id)
            case 3:
                kept.store.delete(job_id)
            case 4:
                kept.store.index.file.discard("a test")
                kept.keep(later=60)
            case 5:
                kept.keep(later=60)

    for _ in range(150):
        change()
        for status in STATUSES:
            assert confirmed(kept, status) == by_the_directories(kept, status)


@pytest.mark.fault(104)
def test_an_end_is_found_though_its_process_died_before_it_told_the_index(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = kept.add()
    monkeypatch.setattr(kept.store.index, "ended", lambda seen, state: None)
    kept.store.finish(request.id, Outcome("failed"))
    assert kept.listed("failed") == [request.id]
    kept.keep(later=3600)
    assert kept.by_the_index("failed") == [request.id]


def test_what_owes_a_webhook_is_found_until_it_is_settled(kept: Kept) -> None:
    kept.add("finished")
    request = kept.add("finished", webhook=Webhook("https://example.com/"))
    (seen,) = kept.store.catalog.owing()
    assert seen.id == request.id
    kept.store.add_delivery(request.id, b"\n")
    kept.store.index.settled(seen)
    assert [one.id for one in kept.store.catalog.owing()] == [request.id], "it was seen before the line was written"
    kept.store.index.settled(next(kept.store.catalog.owing()))
    assert list(kept.store.catalog.owing()) == []
    kept.store.add_delivery(request.id, b"\n")
    assert [one.id for one in kept.store.catalog.owing()] == [request.id]


def test_ended_jobs_are_looked_at_when_they_are_due(kept: Kept) -> None:
    request = kept.add("finished")
    kept.add()
    (seen,) = kept.store.catalog.due(100.0, 10)
    kept.store.index.looked_at(seen, "finished", 200.0)
    assert list(kept.store.catalog.due(199.0, 10)) == []
    assert [one.id for one in kept.store.catalog.due(200.0, 10)] == [request.id]
    kept.store.mark_answered(request.id)
    assert [one.id for one in kept.store.catalog.due(199.0, 10)] == [request.id]
    kept.store.index.looked_at(seen, "finished", 300.0)
    assert [one.id for one in kept.store.catalog.due(199.0, 10)] == [request.id], "it was answered since it was seen"


def test_other_rules_make_everything_due_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.store.index.job_index.BATCH", 2)
    jobs = [kept.add("finished") for _ in range(5)]
    kept.store.index.obey("a week")
    for seen in kept.store.catalog.due(0.0, 10):
        kept.store.index.looked_at(seen, "finished", 1000.0)
    kept.store.index.obey("a week")
    assert list(kept.store.catalog.due(10.0, 10)) == []
    kept.store.index.obey("a day")
    assert len(list(kept.store.catalog.due(10.0, 10))) == len(jobs)
