"""Who goes next: interactive work first, nobody starves, no pass mixes what may not share one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from engines.decoding.schedule import MAX_PASSES, Line, Priority, Schedule


@dataclass(frozen=True)
class Item:
    line: int
    number: int
    key: str
    priority: Priority


@dataclass(frozen=True)
class Add:
    line: int
    key: str
    seconds: int


@dataclass(frozen=True)
class Pass:
    size: int


PRIORITIES: tuple[Priority, ...] = ("interactive", "batch", "interactive", "batch")
adds = st.builds(Add, st.integers(0, 3), st.sampled_from("ab"), st.integers(1, 30))
steps = st.lists(st.one_of(adds, adds, st.builds(Pass, st.integers(1, 5))), max_size=50)
few = settings(max_examples=25, deadline=None)


def play(steps: list[Add | Pass]) -> Iterator[tuple[list[Item], list[Item]]]:
    """Each pass as (what waited before it, what it took), until nothing waits."""
    schedule: Schedule[Item] = Schedule()
    lines = [schedule.open(priority) for priority in PRIORITIES]
    waiting: list[Item] = []
    sizes = [1]
    for number, step in enumerate(steps):
        if isinstance(step, Add):
            item = Item(step.line, number, step.key, PRIORITIES[step.line])
            schedule.add(lines[step.line], step.key, step.seconds, item)
            waiting.append(item)
        else:
            sizes.append(step.size)
            yield from _pass(schedule, waiting, step.size)
    while waiting:
        yield from _pass(schedule, waiting, sizes[-1])
    assert schedule.next_batch(1) == []


def _pass(schedule: Schedule[Item], waiting: list[Item], size: int) -> Iterator[tuple[list[Item], list[Item]]]:
    before = list(waiting)
    taken = schedule.next_batch(size)
    assert len(taken) <= size
    assert bool(taken) == bool(before), "a pass is empty only where nothing waits"
    for item in taken:
        waiting.remove(item)  # ValueError: it never waited, or was given out twice
    yield before, taken


@few
@given(steps)
def test_no_pass_mixes_keys(steps: list[Add | Pass]) -> None:
    for _, taken in play(steps):
        assert len({item.key for item in taken}) <= 1


@few
@given(steps)
def test_every_window_is_given_out_once_and_in_its_recordings_order(steps: list[Add | Pass]) -> None:
    given_out = [item for _, taken in play(steps) for item in taken]
    assert len(given_out) == sum(isinstance(step, Add) for step in steps)
    for line in range(len(PRIORITIES)):
        numbers = [item.number for item in given_out if item.line == line]
        assert numbers == sorted(numbers)


@few
@given(steps)
def test_a_pass_is_as_full_as_the_first_windows_allow(steps: list[Add | Pass]) -> None:
    """Where a pass has room, no line's next window has the pass's key."""
    sizes = iter([step.size for step in steps if isinstance(step, Pass)])
    last = 1
    for before, taken in play(steps):
        last = next(sizes, last)
        if len(taken) < last and taken:
            left = [item for item in before if item not in taken]
            heads = {item.line: item for item in reversed(left)}.values()
            assert all(item.key != taken[0].key for item in heads)


@few
@given(steps)
def test_batch_work_waits_for_a_bounded_number_of_passes(steps: list[Add | Pass]) -> None:
    without = 0  # passes in a row that took no batch window though one waited
    for before, taken in play(steps):
        waited = any(item.priority == "batch" for item in before)
        ran = any(item.priority == "batch" for item in taken)
        without = without + 1 if waited and not ran and taken else 0
        assert without <= MAX_PASSES


@few
@given(steps)
def test_a_pass_begins_with_interactive_work_unless_batch_work_waited_its_bound(steps: list[Add | Pass]) -> None:
    without = 0
    for before, taken in play(steps):
        if taken and taken[0].priority == "batch" and any(item.priority == "interactive" for item in before):
            assert without == MAX_PASSES
        waited = any(item.priority == "batch" for item in before)
        ran = any(item.priority == "batch" for item in taken)
        without = without + 1 if waited and not ran and taken else 0


def drain(schedule: Schedule[str], passes: int, size: int = 1) -> list[str]:
    return [item for _ in range(passes) for item in schedule.next_batch(size)]


def fill(schedule: Schedule[str], line: Line[str], name: str, count: int, seconds: float) -> None:
    for _ in range(count):
        schedule.add(line, "key", seconds, name)


@few
@given(st.integers(1, 30), st.integers(1, 30))
def test_lines_of_one_class_share_by_seconds_of_audio(a_seconds: int, b_seconds: int) -> None:
    schedule: Schedule[str] = Schedule()
    a, b = schedule.open("batch"), schedule.open("batch")
    fill(schedule, a, "a", 60, a_seconds)
    fill(schedule, b, "b", 60, b_seconds)
    for _ in range(60):
        schedule.next_batch(1)
        assert abs(a.seconds - b.seconds) <= max(a_seconds, b_seconds)


def test_an_interactive_window_fills_its_pass_up_with_batch_windows() -> None:
    schedule: Schedule[str] = Schedule()
    batch, clip = schedule.open("batch"), schedule.open("interactive")
    fill(schedule, batch, "batch", 5, 30)
    fill(schedule, clip, "clip", 1, 5)
    assert schedule.next_batch(4) == ["clip", "batch", "batch", "batch"]


def test_if_passes_do_not_mix_a_pass_has_windows_of_one_class() -> None:
    schedule: Schedule[str] = Schedule(mixes=False)
    batch, clip = schedule.open("batch"), schedule.open("interactive")
    fill(schedule, batch, "batch", 5, 30)
    fill(schedule, clip, "clip", 2, 5)
    assert [schedule.next_batch(4) for _ in range(3)] == [["clip"] * 2, ["batch"] * 4, ["batch"]]


def test_a_batch_window_goes_first_after_its_bound_even_while_clips_keep_coming() -> None:
    schedule: Schedule[str] = Schedule()
    batch, clips = schedule.open("batch"), schedule.open("interactive")
    fill(schedule, clips, "clip", 40, 1)
    fill(schedule, batch, "batch", 2, 30)
    taken = drain(schedule, 2 * MAX_PASSES + 2)
    assert [at for at, name in enumerate(taken) if name == "batch"] == [MAX_PASSES, 2 * MAX_PASSES + 1]


def test_a_long_recording_moves_while_new_ones_of_its_class_keep_coming() -> None:
    schedule: Schedule[str] = Schedule()
    fill(schedule, schedule.open("batch"), "long", 60, 30)
    drain(schedule, 20)
    taken: list[str] = []
    for _ in range(5):  # one after the other, as they get the second slot
        new = schedule.open("batch")
        fill(schedule, new, "new", 4, 30)
        while new.waiting:
            taken += drain(schedule, 1)
        schedule.close(new)
    assert taken.count("new") == 20
    assert taken.count("long") >= 15


def test_a_window_decoded_again_goes_before_its_lines_others_and_counts_once() -> None:
    schedule: Schedule[str] = Schedule()
    line = schedule.open("batch")
    fill(schedule, line, "first", 1, 30)
    fill(schedule, line, "second", 1, 30)
    assert drain(schedule, 1) == ["first"]
    schedule.add_again(line, "key", "first again")
    assert drain(schedule, 1) == ["first again"]
    assert line.seconds == 30


def test_closing_a_line_drops_what_waits_in_it_and_nothing_else() -> None:
    schedule: Schedule[str] = Schedule()
    gone, stays = schedule.open("interactive"), schedule.open("batch")
    fill(schedule, gone, "gone", 3, 1)
    fill(schedule, stays, "stays", 2, 1)
    schedule.close(gone)
    schedule.close(gone)
    assert schedule.next_batch(8) == ["stays", "stays"]
    assert schedule.next_batch(8) == []
