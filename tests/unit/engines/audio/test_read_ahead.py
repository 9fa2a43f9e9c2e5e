"""A step on a thread of its own gives the same, never runs far ahead, and is over when its `with` is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from engines.audio.recordings.read_ahead import AHEAD, AT_ONCE, ReadAhead
from engines.audio.recordings.turns import Turns
from tests.unit.factories import wait_for


@pytest.mark.parametrize("count", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, AT_ONCE + 5 * AHEAD])
def test_every_item_comes_once_and_in_order(count: int) -> None:
    with ReadAhead(range(count), "step") as ahead:
        assert list(ahead) == list(range(count))


def test_a_short_recording_needs_no_thread() -> None:
    names = []

    def step() -> Iterator[str]:
        for _ in range(AT_ONCE - 1):
            yield threading.current_thread().name

    with ReadAhead(step(), "step") as ahead:
        names = list(ahead)
    assert set(names) == {threading.current_thread().name}


def test_who_takes_nothing_lets_the_step_wait() -> None:
    made = 0

    def step() -> Iterator[int]:
        nonlocal made
        for number in range(1000):
            made += 1
            yield number

    with ReadAhead(step(), "step") as ahead:
        items = iter(ahead)
        taken = [next(items) for _ in range(AT_ONCE + 1)]
        wait_for(lambda: made >= len(taken) + AHEAD)
        assert made <= len(taken) + AHEAD + 1, "one more is made before it finds no room"


@pytest.mark.parametrize("at", [0, AT_ONCE + 3])
def test_an_error_comes_where_the_item_would(at: int) -> None:
    def step() -> Iterator[int]:
        yield from range(at)
        raise ValueError("torn")

    with ReadAhead(step(), "step") as ahead:
        items = iter(ahead)
        assert [next(items) for _ in range(at)] == list(range(at))
        with pytest.raises(ValueError, match="torn"):
            next(items)


def test_nothing_of_it_runs_after_the_end() -> None:
    before = threading.active_count()
    with ReadAhead(ReadAhead(iter(range(10**9)), "first"), "second") as ahead:
        assert next(iter(ahead)) == 0
    with ReadAhead(range(10**9), "first") as first, ReadAhead(first, "second") as second:
        items = iter(second)
        assert [next(items) for _ in range(3 * AT_ONCE)] == list(range(3 * AT_ONCE))
        assert threading.active_count() == before + 2
    assert threading.active_count() == before


def test_steps_with_turns_compute_one_at_a_time() -> None:
    turns, computing, most = Turns(), 0, 0

    def step() -> Iterator[int]:
        nonlocal computing, most
        for number in range(AT_ONCE + AHEAD):
            if threading.current_thread().name == "step":
                computing += 1
                most = max(most, computing)
                time.sleep(0.001)
                computing -= 1
            yield number

    def take() -> None:
        with ReadAhead(step(), "step", turns) as ahead:
            assert list(ahead) == list(range(AT_ONCE + AHEAD))

    with ThreadPoolExecutor(4) as pool:
        for taken in [pool.submit(take) for _ in range(4)]:
            taken.result()
    assert most == 1


def test_a_step_that_fails_gives_its_turn_up() -> None:
    turns = Turns()

    def torn() -> Iterator[int]:
        yield from range(AT_ONCE)
        raise ValueError("torn")

    with ReadAhead(torn(), "step", turns) as ahead, pytest.raises(ValueError, match="torn"):
        list(ahead)
    with ReadAhead(range(AT_ONCE + 1), "step", turns) as ahead:
        assert len(list(ahead)) == AT_ONCE + 1
