"""The batcher owns the model: passes of equal keys, clips first, bad windows again, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import CancelledError, Future

import pytest

from engines.base import Window, WindowResult
from engines.decoding.batcher import Batcher
from engines.decoding.quality import Ladder
from engines.decoding.schedule import Priority
from engines.decoding.window_queue import WindowStream
from engines.errors import Canceled, OutOfMemory
from tests.unit.factories import DEADLINE, ScriptedEngine, make_result, make_window, wait_for

Start = Callable[[ScriptedEngine], Batcher]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts batchers, and closes them at the end."""
    started: list[tuple[Batcher, ScriptedEngine]] = []

    def run(engine: ScriptedEngine) -> Batcher:
        batcher = Batcher(engine)
        batcher.start()
        started.append((batcher, engine))
        return batcher

    yield run
    for batcher, engine in started:
        engine.gate.set()
        batcher.close()


def hold(batcher: Batcher, engine: ScriptedEngine, index: int = 99) -> Future[WindowResult]:
    """Keeps the lane in a pass of its own, so that what is submitted meanwhile waits together."""
    engine.gate.clear()
    held = batcher.open("interactive").submit(make_window(index, prompt="held"))
    assert engine.entered.acquire(timeout=DEADLINE)
    return held


def submit(stream: WindowStream, *windows: Window) -> list[Future[WindowResult]]:
    return [stream.submit(window) for window in windows]


def until_refused(batcher: Batcher) -> list[Future[WindowResult]]:
    """Submits windows until the batcher takes no more."""
    taken: list[Future[WindowResult]] = []
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            taken.append(batcher.open("batch").submit(make_window()))
        except CancelledError:
            return taken
    raise AssertionError("the batcher still takes windows")


def answers(futures: Sequence[Future[WindowResult]]) -> list[WindowResult]:
    return [future.result(DEADLINE) for future in futures]


def test_each_window_gets_its_own_result(start: Start) -> None:
    batcher = start(ScriptedEngine(max_batch=3))
    futures = submit(batcher.open("batch"), *map(make_window, range(8)))
    assert [result.text for result in answers(futures)] == [f" {index}" for index in range(8)]


def test_windows_of_several_recordings_share_a_pass(start: Start) -> None:
    engine = ScriptedEngine()
    batcher = start(engine)
    hold(batcher, engine)
    futures = [batcher.open("batch").submit(make_window(index)) for index in range(3)]
    engine.gate.set()
    answers(futures)
    assert engine.heard == [[99], [0, 1, 2]]


def test_interactive_windows_go_first_and_batch_windows_fill_the_pass_up(start: Start) -> None:
    engine = ScriptedEngine()
    batcher = start(engine)
    hold(batcher, engine)
    long = submit(batcher.open("batch"), *map(make_window, range(5)))
    clip = submit(batcher.open("interactive"), make_window(50))
    engine.gate.set()
    answers(long + clip)
    assert engine.heard == [[99], [50, 0, 1, 2], [3, 4]]


def test_windows_with_other_keys_wait_for_a_pass_of_their_own(start: Start) -> None:
    engine = ScriptedEngine()
    batcher = start(engine)
    hold(batcher, engine)
    futures = [
        batcher.open("batch").submit(make_window(index, prompt="odd" if index % 2 else None)) for index in range(4)
    ]
    engine.gate.set()
    answers(futures)
    assert engine.heard == [[99], [0, 2], [1, 3]]


def test_a_doubted_window_is_decoded_again_warmer_in_a_later_pass(start: Start) -> None:
    def hear(window: Window) -> WindowResult:
        doubted = window.index == 1 and window.temperature < 0.4
        temperature = window.temperature
        return make_result(f" {window.index}", avg_logprob=-2.0 if doubted else -0.2, temperature=temperature)

    engine = ScriptedEngine(hear, max_batch=2)
    results = answers(submit(start(engine).open("batch"), *map(make_window, range(2))))
    assert [result.temperature for result in results] == [0.0, 0.4]
    again = [window.temperature for windows in engine.passes for window in windows if window.index == 1]
    assert again == [0.0, 0.2, 0.4]
    assert all(len({window.temperature for window in windows}) == 1 for windows in engine.passes)


def test_doubted_windows_of_two_recordings_are_decoded_again_together(start: Start) -> None:
    engine = ScriptedEngine(lambda window: make_result(avg_logprob=-3.0, temperature=window.temperature))
    batcher = start(engine)
    hold(batcher, engine)
    futures = [batcher.open("batch").submit(make_window(index)) for index in range(2)]
    engine.gate.set()
    answers(futures)
    together = [windows for windows in engine.heard if windows != [99]]
    assert together == [[0, 1]] * len(Ladder().temperatures)


def test_where_every_temperature_fails_the_likeliest_result_is_taken(start: Start) -> None:
    def hear(window: Window) -> WindowResult:
        temperature = window.temperature
        return make_result(avg_logprob=-1.5 - abs(temperature - 0.6), temperature=temperature)

    (result,) = answers(submit(start(ScriptedEngine(hear)).open("batch"), make_window()))
    assert result.temperature == 0.6


def test_a_temperature_the_caller_chose_is_not_raised(start: Start) -> None:
    engine = ScriptedEngine(lambda window: make_result(avg_logprob=-3.0, temperature=window.temperature))
    (result,) = answers(submit(start(engine).open("batch"), make_window(temperature=0.3)))
    assert result.temperature == 0.3
    assert len(engine.passes) == 1


def test_a_temperature_the_caller_chose_stays_at_full_length_too(start: Start) -> None:
    def hear(window: Window) -> WindowResult:
        is_shortened = not window.attempt.full_padding
        return make_result(avg_logprob=-3.0, temperature=window.temperature, is_shortened=is_shortened)

    engine = ScriptedEngine(hear)
    (result,) = answers(submit(start(engine).open("batch"), make_window(temperature=0.3)))
    assert [row.attempt.full_padding for windows in engine.passes for row in windows] == [False, True]
    assert result.temperature == 0.3


class SmallEngine(ScriptedEngine):
    """Has memory for `room` windows at once."""

    room = 3

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        results = super().decode(windows)
        if len(windows) > self.room:
            raise OutOfMemory()
        return results


def test_a_pass_too_large_for_the_memory_is_halved_until_it_fits_and_stays_so(start: Start) -> None:
    engine = SmallEngine(max_batch=16)
    batcher = start(engine)
    hold(batcher, engine)
    futures = submit(batcher.open("batch"), *map(make_window, range(32)))
    engine.gate.set()
    assert [result.text for result in answers(futures)] == [f" {index}" for index in range(32)]
    assert batcher.max_batch == 2
    assert [len(windows) for windows in engine.passes[1:3]] == [16, 8]
    assert {len(windows) for windows in engine.passes[-8:]} == {2}
    assert batcher.window_limit == 4


def test_a_window_too_large_alone_fails(start: Start) -> None:
    engine = SmallEngine(max_batch=4)
    engine.room = 0
    (future,) = submit(start(engine).open("batch"), make_window())
    with pytest.raises(OutOfMemory, match="too little memory"):
        future.result(DEADLINE)


def test_a_pass_that_was_left_since_nobody_wants_it_is_not_tried_again(start: Start) -> None:
    def hear(window: Window) -> WindowResult:
        raise Canceled()

    engine = ScriptedEngine(hear)
    futures = submit(start(engine).open("batch"), *map(make_window, range(3)))
    for future in futures:
        with pytest.raises(Canceled):
            future.result(DEADLINE)
    assert sum(len(windows) for windows in engine.passes) == 3, "each once"


def fails_on(index: int, times: int = 1000) -> Callable[[Window], WindowResult]:
    left = [times]

    def hear(window: Window) -> WindowResult:
        if window.index == index and left[0]:
            left[0] -= 1
            raise RuntimeError(f"window {index} is poison")
        return make_result(f" {window.index}")

    return hear


def test_a_bad_window_fails_alone(start: Start) -> None:
    engine = ScriptedEngine(fails_on(1))
    batcher = start(engine)
    hold(batcher, engine)
    good, bad, fine = submit(batcher.open("batch"), *map(make_window, range(3)))
    engine.gate.set()
    assert [result.text for result in answers([good, fine])] == [" 0", " 2"]
    with pytest.raises(RuntimeError, match="window 1 is poison"):
        bad.result(DEADLINE)
    assert sum(windows == [1] for windows in engine.heard) == 1, "once with the others, once more alone"


@pytest.mark.parametrize("max_batch", [1, 4])
def test_a_window_that_failed_once_is_decoded_at_the_second_try(start: Start, max_batch: int) -> None:
    engine = ScriptedEngine(fails_on(0, times=1), max_batch=max_batch)
    (future,) = submit(start(engine).open("batch"), make_window(0))
    assert future.result(DEADLINE).text == " 0"


def test_the_lane_lives_on_after_a_failure(start: Start) -> None:
    batcher = start(ScriptedEngine(fails_on(0)))
    stream = batcher.open("batch")
    with pytest.raises(RuntimeError):
        stream.submit(make_window(0)).result(DEADLINE)
    assert stream.submit(make_window(1)).result(DEADLINE).text == " 1"


class ForgetfulEngine(ScriptedEngine):
    """Breaks its promise of one result a window."""

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        return [] if windows[0].index == 0 else super().decode(windows)


def test_an_engine_that_loses_results_fails_the_window_and_keeps_its_lane(start: Start) -> None:
    stream = start(ForgetfulEngine()).open("batch")
    with pytest.raises(Exception, match=r"result|argument"):
        stream.submit(make_window(0)).result(DEADLINE)
    assert stream.submit(make_window(1)).result(DEADLINE).text == " 1"


def test_closing_a_stream_wakes_its_waiters_while_the_model_is_busy(start: Start) -> None:
    engine = ScriptedEngine()
    batcher = start(engine)
    hold(batcher, engine)
    stream = batcher.open("batch")
    waiting = submit(stream, *map(make_window, range(3)))
    stream.close()
    stream.close()
    for future in waiting:
        with pytest.raises(CancelledError):
            future.result(DEADLINE)
    assert not engine.gate.is_set()


def test_closing_a_stream_wakes_who_waits_for_the_pass_in_hand(start: Start) -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    stream = start(engine).open("batch")
    (decoding,) = submit(stream, make_window())
    assert engine.entered.acquire(timeout=DEADLINE)
    stream.close()
    with pytest.raises(CancelledError):
        decoding.result(DEADLINE)


def test_windows_of_a_closed_stream_are_never_decoded(start: Start) -> None:
    engine = ScriptedEngine()
    batcher = start(engine)
    held = hold(batcher, engine)
    stream, other = batcher.open("interactive"), batcher.open("batch")
    submit(stream, *map(make_window, range(3)))
    after = submit(other, make_window(7))
    stream.close()
    engine.gate.set()
    answers([held, *after])
    assert engine.heard == [[99], [7]]


def test_a_doubted_window_of_a_closed_stream_is_not_decoded_again(start: Start) -> None:
    engine = ScriptedEngine(lambda window: make_result(avg_logprob=-2.0 if window.index == 0 else -0.2))
    batcher = start(engine)
    engine.gate.clear()
    stream, other = batcher.open("batch"), batcher.open("batch")
    submit(stream, make_window(0))
    assert engine.entered.acquire(timeout=DEADLINE)
    stream.close()
    after = submit(other, make_window(7))
    engine.gate.set()
    answers(after)
    assert engine.heard == [[0], [7]]


class ClosingEngine(ScriptedEngine):
    """Closes the stream at the very moment a window is on its way in."""

    stream: WindowStream | None = None

    def batch_key(self, window: Window) -> Hashable:
        if self.stream:
            self.stream.close()
        return super().batch_key(window)


def test_a_window_submitted_while_its_stream_closes_is_canceled(start: Start) -> None:
    engine = ClosingEngine()
    engine.stream = start(engine).open("batch")
    with pytest.raises(CancelledError):
        engine.stream.submit(make_window()).result(DEADLINE)


def test_a_window_submitted_to_a_closed_stream_is_canceled(start: Start) -> None:
    stream = start(ScriptedEngine()).open("batch")
    stream.close()
    with pytest.raises(CancelledError):
        stream.submit(make_window()).result(DEADLINE)


def test_lanes_decode_at_the_same_time(start: Start) -> None:
    together = threading.Barrier(2)

    def hear(window: Window) -> WindowResult:
        together.wait(DEADLINE)  # BrokenBarrierError unless both lanes are inside
        return make_result()

    answers(submit(start(ScriptedEngine(hear, lanes=2, max_batch=1)).open("batch"), *map(make_window, range(6))))


def test_one_lane_never_decodes_twice_at_once(start: Start) -> None:
    engine = ScriptedEngine(max_batch=1)
    batcher = start(engine)
    hold(batcher, engine)
    futures = submit(batcher.open("interactive"), *map(make_window, range(4)))
    assert not engine.entered.acquire(timeout=0.1), "a second pass began while one was in hand"
    engine.gate.set()
    answers(futures)


class SteppedEngine(ScriptedEngine):
    """Every window waits until it is let go."""

    def __init__(self, **numbers: int) -> None:
        super().__init__(None, **numbers)
        self._inside: dict[int, threading.Event] = {}

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        (window,) = windows
        go = self._inside[window.index] = threading.Event()
        wait_for(lambda: go.is_set() or self.is_over)
        self._inside.pop(window.index, None)
        return super().decode(windows)

    is_over = False

    def let(self, index: int) -> None:
        self._inside.pop(index).set()

    def wait_for(self, *indices: int) -> None:
        wait_for(lambda: sorted(self._inside) == list(indices))


def test_a_clip_that_finds_all_lanes_at_batch_work_takes_the_express_lane(start: Start) -> None:
    engine = ScriptedEngine(max_batch=1, lanes=2, express_lanes=1)
    batcher = start(engine)
    engine.gate.clear()
    long = batcher.open("batch")
    submit(long, *map(make_window, range(4)))
    for _ in range(2):
        assert engine.entered.acquire(timeout=DEADLINE)
    assert not engine.entered.acquire(timeout=0.1)  # batch work never gets there
    clip = batcher.open("interactive")
    submit(clip, make_window(50), make_window(51))
    assert engine.entered.acquire(timeout=DEADLINE)
    assert engine.heard[2] == [50]
    assert not engine.entered.acquire(timeout=0.1)  # it is one lane


def test_while_the_express_lane_is_in_use_no_batch_window_begins_on_the_others(start: Start) -> None:
    engine = SteppedEngine(max_batch=1, lanes=2, express_lanes=1)
    batcher = start(engine)
    submit(batcher.open("batch"), *map(make_window, range(4)))
    engine.wait_for(0, 1)
    submit(batcher.open("interactive"), make_window(50))
    engine.wait_for(0, 1, 50)
    engine.let(0)
    time.sleep(0.1)
    engine.wait_for(1, 50)
    engine.let(50)
    engine.wait_for(1, 2)
    engine.is_over = True


def test_clips_alone_do_not_crowd_the_processor(start: Start) -> None:
    engine = ScriptedEngine(max_batch=1, lanes=2, express_lanes=1)
    batcher = start(engine)
    engine.gate.clear()
    submit(batcher.open("interactive"), *map(make_window, range(6)))
    for _ in range(2):
        assert engine.entered.acquire(timeout=DEADLINE)
    assert not engine.entered.acquire(timeout=0.1)
    engine.gate.set()
    wait_for(lambda: len(engine.passes) == 6)


def lanes() -> set[threading.Thread]:
    """Those that run in this process: other tests may have left some to their end."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("lane-")}


def test_close_ends_express_lanes_too(start: Start) -> None:
    before = lanes()
    batcher = Batcher(ScriptedEngine(lanes=2, express_lanes=2))
    batcher.start()
    assert len(lanes() - before) == 4
    batcher.close()
    assert lanes() <= before


def test_close_ends_the_pass_in_hand_then_the_engine_on_the_thread_that_loaded_it() -> None:
    engine = ScriptedEngine(lanes=2)
    batcher = Batcher(engine)
    batcher.start()
    held = hold(batcher, engine)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    assert "close" not in engine.threads, "the engine is still in a pass"
    engine.gate.set()
    closing.join(DEADLINE)
    assert not closing.is_alive()
    assert held.result(DEADLINE).text == " 99"
    assert engine.threads["close"] is engine.threads["load"]
    assert not engine.threads["close"].is_alive()


def test_close_cancels_the_windows_that_wait() -> None:
    engine = ScriptedEngine()
    batcher = Batcher(engine)
    batcher.start()
    hold(batcher, engine)
    stream = batcher.open("batch")
    waiting = submit(stream, make_window())
    closing = threading.Thread(target=batcher.close)
    closing.start()
    waiting += until_refused(batcher)  # from then on no pass is begun
    engine.gate.set()
    closing.join(DEADLINE)
    assert len(engine.passes) == 1
    for future in waiting:
        with pytest.raises(CancelledError):
            future.result(DEADLINE)


def test_a_closed_batcher_takes_no_windows() -> None:
    batcher = Batcher(ScriptedEngine())
    batcher.start()
    stream = batcher.open("batch")
    batcher.close()
    with pytest.raises(CancelledError):
        stream.submit(make_window())


class BrokenEngine(ScriptedEngine):
    def load(self) -> None:
        raise OSError("the weights are gone")


def test_start_raises_what_loading_raised() -> None:
    before = lanes()
    batcher = Batcher(BrokenEngine(lanes=3))
    with pytest.raises(OSError, match="the weights are gone"):
        batcher.start()
    batcher.close()
    assert lanes() <= before


@pytest.mark.parametrize(("lanes", "max_batch", "limit"), [(1, 1, 2), (2, 1, 4), (1, 16, 32), (8, 4, 64)])
def test_a_recording_may_have_two_passes_for_every_lane_waiting(lanes: int, max_batch: int, limit: int) -> None:
    assert Batcher(ScriptedEngine(lanes=lanes, max_batch=max_batch)).window_limit == limit


@pytest.mark.parametrize("priority", ["interactive", "batch"])
def test_many_threads_may_submit_at_once(start: Start, priority: Priority) -> None:
    batcher = start(ScriptedEngine(lanes=2, max_batch=3))
    texts: dict[int, list[str]] = {}

    def work(number: int) -> None:
        futures = submit(batcher.open(priority), *(make_window(number * 100 + at) for at in range(20)))
        texts[number] = [result.text for result in answers(futures)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert texts == {number: [f" {number * 100 + at}" for at in range(20)] for number in range(6)}
