"""What is called on a thread of its own runs there, whoever calls, and fails where it was called."""

from __future__ import annotations

import threading

import pytest

from engines.backends.single_thread import SingleThread


def test_all_calls_run_on_one_thread() -> None:
    own = SingleThread("own")
    ran_on = {own.call(threading.get_ident)}
    caller = threading.Thread(target=lambda: ran_on.add(own.call(threading.get_ident)))
    caller.start()
    caller.join()
    own.end()
    assert len(ran_on) == 1
    assert threading.get_ident() not in ran_on


def test_what_a_call_raises_comes_back_and_the_thread_goes_on() -> None:
    own = SingleThread("own")
    with pytest.raises(ZeroDivisionError):
        own.call(lambda: 1 // 0)
    assert own.call(lambda: 7) == 7
    own.end()


def test_it_ends_when_it_is_told_to() -> None:
    own = SingleThread("own-that-ends")
    own.end()
    assert "own-that-ends" not in {thread.name for thread in threading.enumerate()}
