"""Slots that cannot serve say so once, and until they work again."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from fakeredis import FakeRedis

import worker.queue.slot
import worker.queue.slots
from tests.unit.factories import wait_for
from worker.fleet.needs import Need
from worker.queue.heartbeat import SLOTS_FAIL, WorkerHeartbeat
from worker.queue.slots import Slots
from worker.runtime.timing import Timing


@pytest.mark.fault(113)
def test_slots_that_start_over_again_and_again_are_named_once_until_they_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, tries = [True], [0]
    real = worker.queue.slot.Slot

    def slot(queue: str, *rest: object) -> object:
        tries[0] += 1
        if broken[0] and queue == "batch":
            raise ValueError("not a socket: /my project/redis")
        return real(queue, *rest)  # type: ignore[arg-type]  # as Slots calls it

    monkeypatch.setattr(worker.queue.slots, "Slot", slot)
    monkeypatch.setattr(worker.queue.slots, "RETRY_AFTER", 0.01)
    work = SimpleNamespace(running=SimpleNamespace())
    slots = Slots(FakeRedis(), work, {"interactive": 1, "batch": 2}, Timing().scaled(0.1))
    with caplog.at_level(logging.ERROR):
        slots.start()
        wait_for(lambda: slots.trouble and tries[0] > 20)
    assert slots.trouble.startswith(f"{SLOTS_FAIL} batch works: ValueError: not a socket")
    assert len([row for row in caplog.records if "gave up" in row.message]) == 1
    broken[0] = False
    wait_for(lambda: not slots.trouble)
    slots.stop(5.0)


@pytest.mark.fault(113)
def test_a_worker_whose_slots_fail_takes_no_work_and_says_why() -> None:
    failing = WorkerHeartbeat("w", "failed", "base", error=f"{SLOTS_FAIL} batch works: no socket")
    assert not failing.takes_work
    assert failing.trouble == failing.error


def test_a_slot_for_which_the_system_has_no_thread_now_is_begun_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the jobs of a model would wait for it for ever, and one that was loaded would be kept by nobody."""
    work = SimpleNamespace(running=SimpleNamespace())
    slots = Slots(FakeRedis(), work, {"interactive": 1, "batch": 1}, Timing().scaled(0.01))

    def fails(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    slots.start()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fails)
        slots.ensure({"interactive": 2})
        with pytest.raises(RuntimeError):
            slots.serve_needs([Need("small")])
    slots.serve_needs([Need("small")])
    slots.ensure({"interactive": 2})
    names = Counter(thread.name.rpartition("-")[0] for thread in slots._threads)
    assert (names["interactive"], names["batch"]) == (2, 1)
    assert [names[f"{kind}:small"] for kind in ("interactive", "batch", "alone")] == [1, 1, 1]
    slots.stop(5.0)
