"""A step on a thread of its own gives the same, never runs far ahead, and is over when its `with` is."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from engines.audio.read_ahead import AHEAD, AT_ONCE, ReadAhead
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
