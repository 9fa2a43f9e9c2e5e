"""The windows that wait for the model, of all recordings: between those who submit them and the lanes that decode them.

One lock guards all of it. Who submits sees a WindowStream, a lane sees Passes of WindowTasks; what a recording has
waiting and in hand is known in here alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from engines.base import Attempt, Window, WindowResult
from engines.decoding.schedule import Line, Priority, Schedule


@dataclass(eq=False, slots=True)
class WindowTask:
    """A window until it has its result. results: of its attempts so far. has_failed: whether decoding it raised."""

    window: Window
    key: Hashable
    recording: Recording
    future: Future[WindowResult] = field(default_factory=Future)
    results: list[WindowResult] = field(default_factory=list)
    has_failed: bool = False


@dataclass(eq=False, slots=True)
class Recording:
    """One recording in the queue. tasks: those that have no result yet."""

    line: Line[WindowTask]
    opened_as: Priority
    tasks: set[WindowTask] = field(default_factory=set)
    is_closed: bool = False


class Pass(NamedTuple):
    """What one `decode` call is to take. is_interactive: when it was taken; a line may be demoted meanwhile."""

    tasks: list[WindowTask]
    is_interactive: bool


class WindowQueue:
    """lanes: passes at once, beside the interactive ones that may go past them. key: see `Engine.batch_key`. mixes: see
    Schedule."""

    def __init__(self, lanes: int, key: Callable[[Window], Hashable], *, mixes: bool = True) -> None:
        self._lanes = lanes
        self._key = key
        self._schedule: Schedule[WindowTask] = Schedule(mixes=mixes)
        self._changed = threading.Condition()
        self._recordings: set[Recording] = set()
        self._passes = 0  # in hand
        self._interactive_passes = 0  # of these
        self._is_stopping = False

    def open(self, priority: Priority) -> WindowStream:
        """A new recording."""
        with self._changed:
            recording = Recording(self._schedule.open(priority), priority)
            self._recordings.add(recording)
            return WindowStream(self, recording)

    def stop(self) -> None:
        """Takes no more windows and begins no more passes."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def close_all(self) -> None:
        for recording in list(self._recordings):
            self.close(recording)

    # What streams ask for

    def submit(self, recording: Recording, window: Window) -> Future[WindowResult]:
        """Raises CancelledError for a recording that was closed."""
        task = WindowTask(window, self._key(window), recording)
        with self._changed:
            if self._is_stopping or recording.is_closed:
                raise CancelledError("The recording's windows are not wanted any more.")
            recording.tasks.add(task)
            self._schedule.add(recording.line, task.key, window.seconds, task)
            self._changed.notify_all()
        return task.future

    def add_restored(self, recording: Recording, window: Window) -> None:
        with self._changed:
            self._schedule.add_restored(recording.line, window.seconds)

    def drain(self, recording: Recording) -> None:
        with self._changed:
            recording.is_closed = True
            waiting = [task for _, _, task in recording.line.waiting]
            self._schedule.close(recording.line)
            recording.tasks.difference_update(waiting)
        for task in waiting:
            task.future.cancel()

    def close(self, recording: Recording) -> None:
        with self._changed:
            recording.is_closed = True
            self._schedule.close(recording.line)
            self._recordings.discard(recording)
            tasks, recording.tasks = recording.tasks, set()
        for task in tasks:
            task.future.cancel()

    # What lanes ask for

    def next_pass(self, size: int) -> Pass | None:
        """Waits for a pass of up to `size` windows; None once the queue is stopped. Give it back with `end_pass`."""
        with self._changed:
            while not self._is_stopping:
                if tasks := self._take(size):
                    taken = Pass(tasks, any(task.recording.line.priority == "interactive" for task in tasks))
                    self._count(taken, 1)
                    return taken
                self._changed.wait()
        return None

    def end_pass(self, ended: Pass) -> None:
        with self._changed:
            self._count(ended, -1)
            self._changed.notify_all()

    def decode_again(self, task: WindowTask, attempt: Attempt) -> None:
        """Puts a window before its recording's others, to be decoded in another way."""
        task.window = replace(task.window, attempt=attempt)
        task.key = self._key(task.window)
        with self._changed:
            if not task.recording.is_closed:
                self._schedule.add_again(task.recording.line, task.key, task)
                self._changed.notify_all()
                return
            task.recording.tasks.discard(task)
        task.future.cancel()  # its recording is not wanted any more, or goes on elsewhere

    def answer(self, task: WindowTask, outcome: WindowResult | Exception) -> None:
        """Gives who waits the window's result, or raises there."""
        with self._changed:
            if task not in task.recording.tasks:
                return  # its stream was closed meanwhile
            task.recording.tasks.remove(task)
        if isinstance(outcome, Exception):
            task.future.set_exception(outcome)
        else:
            task.future.set_result(outcome)

    def _take(self, size: int) -> list[WindowTask]:
        """Past the engine's lanes only interactive windows go, and never more of them than it has lanes: then no
        batch window begins until as many passes have ended, so all lanes stay busy and no more. Of what waits a pass
        leaves each other lane as much as it takes itself."""
        is_full = self._passes >= self._lanes
        if is_full and self._interactive_passes >= self._lanes:
            return []
        share = -(-self._schedule.waiting(interactive_only=is_full) // self._lanes)
        return self._schedule.next_batch(min(size, share), interactive_only=is_full)

    def _count(self, taken: Pass, step: int) -> None:
        self._passes += step
        self._interactive_passes += step if taken.is_interactive else 0


class WindowStream:
    """The windows of one recording on their way through the model."""

    def __init__(self, queue: WindowQueue, recording: Recording) -> None:
        self._queue = queue
        self._recording = recording

    def submit(self, window: Window) -> Future[WindowResult]:
        """Queues a window. The future raises what the engine raised, or CancelledError after `close`."""
        return self._queue.submit(self._recording, window)

    def restored(self, window: Window) -> None:
        """Counts a window that an earlier run has decoded as decoded now."""
        self._queue.add_restored(self._recording, window)

    @property
    def is_demoted(self) -> bool:
        """Whether interactive work has become batch work, having had more audio decoded than others wait for."""
        return self._recording.line.priority != self._recording.opened_as

    def drain(self) -> None:
        """Drops what has not been taken by a pass and lets the passes in hand end; safe from any thread."""
        self._queue.drain(self._recording)

    def close(self) -> None:
        """Drops what has not been decoded and wakes who waits for it; safe from any thread, and twice."""
        self._queue.close(self._recording)
