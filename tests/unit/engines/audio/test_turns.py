"""So many at a time, in the order in which they came; and nobody who hangs holds the others up."""

from __future__ import annotations

import threading

import pytest

from engines.audio.recordings import turns as room
from engines.audio.recordings.turns import Turns
from tests.unit.factories import DEADLINE, wait_for


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK_EVERY", 0.01)


@pytest.mark.parametrize("at_once", [1, 3])
def test_who_waits_longest_has_the_next_turn(at_once: int) -> None:
    turns, order = Turns(at_once), []
    let_go = threading.Event()

    def hold() -> None:
        with turns.one():
            let_go.wait(DEADLINE)

    def wait(name: str) -> None:
        with turns.one():
            order.append(name)

    holding = [threading.Thread(target=hold) for _ in range(at_once)]
    for thread in holding:
        thread.start()
    wait_for(lambda: len(turns._taken) == at_once)
    waiting = [threading.Thread(target=wait, args=(name,)) for name in "abc"]
    for count, thread in enumerate(waiting, start=1):
        thread.start()
        wait_for(lambda count=count: len(turns._waiting) == count)  # type: ignore[misc]
    assert order == []
    let_go.set()
    for thread in [*holding, *waiting]:
        thread.join(DEADLINE)
    assert sorted(order) == ["a", "b", "c"]
    assert at_once > 1 or order == ["a", "b", "c"]
    assert not turns._waiting
    assert not turns._taken
    assert turns._free == at_once


def test_who_waits_can_be_called_off() -> None:
    turns, called_off = Turns(), threading.Event()

    def check() -> None:
        if called_off.is_set():
            raise TimeoutError

    def wait() -> None:
        with pytest.raises(TimeoutError), turns.one(check):
            raise AssertionError("it was not its turn")

    with turns.one():
        thread = threading.Thread(target=wait)
        thread.start()
        wait_for(lambda: turns._waiting)
        called_off.set()
        thread.join(DEADLINE)
        assert not turns._waiting
    with turns.one(check):
        assert turns._free == 0
    assert turns._free == 1


def test_who_hangs_loses_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "OVERDUE", 0.05)
    turns, over = Turns(), threading.Event()

    def hang() -> None:
        with turns.one():
            over.wait(DEADLINE)

    thread = threading.Thread(target=hang)
    thread.start()
    wait_for(lambda: turns._taken)
    with turns.one():
        assert len(turns._taken) == 1
    over.set()
    thread.join(DEADLINE)
    assert (turns._free, turns._taken) == (1, set()), "it was given back once"
