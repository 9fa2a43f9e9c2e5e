"""A job that is to run again owes its new end, or has its old one: nothing lies between."""

from __future__ import annotations

import errno
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.worker.jobs.test_shares import Bench
from worker.jobs.job_service import CannotRequeue
from worker.store.index.keeper import IndexKeeper
from worker.store.records import JobRequest, Outcome, Webhook
from worker.webhooks.message import event_id
from worker.webhooks.outbox import Attempt, Delivery, Outbox
from worker.webhooks.pending_deliveries import PendingDeliveries

HOOK = Webhook("https://example.com/hook")


class Told(Bench):
    """A failed job whose receiver was told of that."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, is_shared=False)
        self.outbox = Outbox(self.store)
        self.request = self.failed()

    def failed(self) -> JobRequest:
        request = self.submit("a", webhook=HOOK)
        self.store.finish(request.id, Outcome("failed"))
        self.queue.withdraw(request)
        self.outbox.record(request.id, Attempt(time.time(), 0.1, 200, None, "delivered"))
        return request

    def requeue(self) -> JobRequest:
        return self.outbox.requeue(self.service, self.request.id)

    def delivery(self) -> Delivery:
        delivery = self.outbox.delivery(self.request)
        assert delivery is not None
        return delivery


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def fail(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "the disk is full")


@pytest.mark.parametrize("step", ["add_delivery", "reopen"])
def test_a_full_disk_leaves_a_job_that_was_to_run_again_as_it_was(
    told: Told, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = told.store.outcome(told.request.id)
    with monkeypatch.context() as full:
        full.setattr(told.store, step, fail)
        with pytest.raises(OSError, match="the disk is full"):
            told.requeue()
    assert told.store.outcome(told.request.id) == before
    assert told.delivery().is_settled
    assert told.delivery().id == event_id(told.request.id)
    told.requeue()
    told.store.finish(told.request.id, Outcome("canceled"))
    assert not told.delivery().is_settled
    assert told.delivery().id == event_id(told.request.id, 2)
    told.outbox.record(told.request.id, Attempt(time.time(), 0.1, 200, None, "delivered"))
    assert told.delivery().is_settled


def test_what_was_written_before_the_job_ran_again_is_found_by_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the sender looked just between, and saw nothing that it owes."""
    told = Told(tmp_path)
    (tmp_path / "index").mkdir()
    IndexKeeper(tmp_path / "jobs", told.store.index).keep(0.0)
    pending, reopen = PendingDeliveries(told.store, told.outbox), told.store.reopen

    def looked_between(*args: Any) -> None:
        assert pending.owed() == {}
        assert pending.owed() == {}
        reopen(*args)

    monkeypatch.setattr(told.store, "reopen", looked_between)
    told.requeue()
    told.store.finish(told.request.id, Outcome("canceled"))
    assert list(pending.owed()) == [told.request.id]


def test_of_two_who_run_a_job_again_one_does_and_its_new_end_stays(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the other has paused, having seen the end before."""
    reopen = told.store.reopen

    def late(*args: Any) -> None:
        monkeypatch.undo()
        told.requeue()
        told.service.cancel(told.request.id)
        reopen(*args)

    monkeypatch.setattr(told.store, "reopen", late)
    with pytest.raises(CannotRequeue, match="has ended meanwhile"):
        told.requeue()
    outcome = told.store.outcome(told.request.id)
    assert outcome is not None
    assert outcome.state == "canceled"
    assert told.delivery().id == event_id(told.request.id, 2)
    assert not told.delivery().is_settled


def test_an_attempt_at_the_old_end_just_then_settles_nothing_of_the_new_one(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen = told.store.reopen

    def sent_between(*args: Any) -> None:
        told.outbox.record(told.request.id, Attempt(time.time(), 0.1, 200, None, "delivered"))
        reopen(*args)

    monkeypatch.setattr(told.store, "reopen", sent_between)
    told.requeue()
    told.store.finish(told.request.id, Outcome("canceled", ended_at=time.time() + 5))
    assert not told.delivery().is_settled
    told.outbox.record(told.request.id, Attempt(time.time() + 5, 0.1, 200, None, "delivered"))
    assert told.delivery().is_settled
