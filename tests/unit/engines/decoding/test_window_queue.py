"""What waits between recordings and lanes: who is answered, who is let go, and when a lane gets a pass."""

from __future__ import annotations

from concurrent.futures import CancelledError

import pytest

from engines.base import Attempt
from engines.decoding.window_queue import Pass, WindowQueue
from tests.unit.factories import make_result, make_window


@pytest.fixture
def queue() -> WindowQueue:
    return WindowQueue(lanes=1, key=lambda window: (window.options.prompt, window.temperature))


def taken(queue: WindowQueue, size: int = 4) -> Pass:
    found = queue.next_pass(size)
    assert found is not None
    return found


def test_a_window_is_answered_once_it_was_decoded(queue: WindowQueue) -> None:
    future = queue.open("batch").submit(make_window())
    (task,) = taken(queue).tasks
    assert not future.done()
    queue.answer(task, make_result(" Hello."))
    assert future.result().text == " Hello."


def test_what_waits_is_dropped_by_draining_and_what_is_in_hand_is_not(queue: WindowQueue) -> None:
    stream = queue.open("batch")
    in_hand, waiting = stream.submit(make_window(0)), stream.submit(make_window(1))
    (task,) = taken(queue, 1).tasks
    stream.drain()
    assert waiting.cancelled()
    queue.answer(task, make_result(" Hello."))
    assert in_hand.result().text == " Hello."
    with pytest.raises(CancelledError):
        stream.submit(make_window(2))


def test_a_window_that_is_tried_again_goes_before_the_others_with_a_key_of_its_own(queue: WindowQueue) -> None:
    stream = queue.open("batch")
    stream.submit(make_window(0))
    first = taken(queue)
    stream.submit(make_window(1))
    queue.decode_again(first.tasks[0], Attempt(0.2, full_padding=True))
    queue.end_pass(first)
    (task,) = taken(queue).tasks
    assert (task.window.index, task.window.temperature, task.window.options.temperature) == (0, 0.2, 0.0)
    assert task.key == (None, 0.2)


def test_a_lane_leaves_the_others_their_share_of_what_waits() -> None:
    queue = WindowQueue(lanes=2, key=lambda window: None)
    stream = queue.open("interactive")
    for index in range(5):
        stream.submit(make_window(index))
    assert [[task.window.index for task in taken(queue, 4).tasks] for _ in range(2)] == [[0, 1, 2], [3]]


def test_an_answer_to_a_closed_recording_reaches_nobody(queue: WindowQueue) -> None:
    stream = queue.open("batch")
    future = stream.submit(make_window())
    (task,) = taken(queue).tasks
    stream.close()
    queue.answer(task, make_result())
    assert future.cancelled()


def test_a_stopped_queue_ends_the_lanes(queue: WindowQueue) -> None:
    queue.open("batch").submit(make_window())
    queue.stop()
    assert queue.next_pass(4) is None
