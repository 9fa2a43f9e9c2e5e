"""The one owner of the model: forms passes from the windows of all recordings.

transcriber ─ WindowStream.submit(window) ─► Schedule ─► lane thread ─ engine.decode([...]) ─► Future
                                                ▲                          │
                                                └── failed thresholds: next temperature, a later pass
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Hashable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from engines.base import DecodeOptions, Engine, Window, WindowResult
from engines.decoding.quality import Ladder
from engines.decoding.schedule import Line, Priority, Schedule
from engines.errors import Canceled, OutOfMemory

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Task:
    window: Window
    key: Hashable
    stream: WindowStream
    keeps_temperature: bool  # a caller's own is no ladder's
    future: Future[WindowResult] = field(default_factory=Future)
    attempts: list[WindowResult] = field(default_factory=list)
    has_failed: bool = False


class _Pass(NamedTuple):
    tasks: list[_Task]
    is_interactive: bool  # when it was taken; a line may be demoted meanwhile


class WindowStream:
    """The windows of one recording on their way through the model."""

    def __init__(self, batcher: Batcher, line: Line[_Task]) -> None:
        self._batcher = batcher
        self._line = line
        self._opened_as = line.priority
        self._tasks: set[_Task] = set()  # not answered yet; guarded, like `_is_closed`, by the batcher's lock
        self._is_closed = False

    def submit(self, window: Window) -> Future[WindowResult]:
        """Queues a window. The future raises what the engine raised, or CancelledError after `close`."""
        return self._batcher._submit(self, window)

    def restored(self, window: Window) -> None:
        """Counts a window that an earlier run has decoded as decoded now."""
        self._batcher._restored(self._line, window)

    @property
    def is_demoted(self) -> bool:
        """Whether interactive work has become batch work, having had more audio decoded than others wait for."""
        return self._line.priority != self._opened_as

    def drain(self) -> None:
        """Drops what has not been taken by a pass and lets the passes in hand end; safe from any thread."""
        self._batcher._drain(self)

    def close(self) -> None:
        """Drops what has not been decoded and wakes who waits for it; safe from any thread, and twice."""
        self._batcher._close(self)


class Batcher:
    """Runs a thread over the engine for each of its lanes, express lanes included."""

    def __init__(self, engine: Engine, ladder: Ladder | None = None) -> None:
        self.engine = engine
        self.max_batch = engine.max_batch  # falls when the device's memory runs out
        self._ladder = ladder or Ladder()
        self._schedule: Schedule[_Task] = Schedule()
        self._work = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._streams: set[WindowStream] = set()
        self._passes = 0  # in hand
        self._interactive_passes = 0  # of these
        self._began: dict[int, float] = {}  # when the pass of each busy thread began, in monotonic seconds

    @property
    def window_limit(self) -> int:
        """How many windows one recording may have waiting, so that memory is bounded."""
        return 2 * self.max_batch * self.engine.lanes

    def oldest_pass(self) -> float:
        """Seconds since the pass began that has been in hand longest; 0 where none is."""
        now = time.monotonic()
        return max((now - began for began in list(self._began.values())), default=0.0)

    def start(self) -> None:
        """Loads the engine on the first lane's thread and starts the others. Raises what loading raises."""
        loaded: Future[None] = Future()
        self._start_lane(0, loaded)
        loaded.result()
        for lane in range(1, self.engine.lanes + self.engine.express_lanes):
            self._start_lane(lane, None)

    def open(self, priority: Priority) -> WindowStream:
        with self._work:
            stream = WindowStream(self, self._schedule.open(priority))
            self._streams.add(stream)
            return stream

    def close(self) -> None:
        """Finishes the passes in hand, cancels what still waits, and closes the engine."""
        with self._work:
            self._stopping = True
            self._work.notify_all()
        for thread in reversed(self._threads):  # the first lane goes last: it closes the engine
            thread.join()
        for stream in list(self._streams):
            stream.close()

    def _start_lane(self, lane: int, loaded: Future[None] | None) -> None:
        thread = threading.Thread(target=self._run_lane, args=(loaded,), name=f"lane-{lane}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run_lane(self, loaded: Future[None] | None) -> None:
        if loaded is not None:
            try:
                self.engine.load()
            except BaseException as error:  # noqa: BLE001 - it is raised again where `start` waits
                loaded.set_exception(error)
                return
            loaded.set_result(None)
        while taken := self._next_pass():
            self._began[threading.get_ident()] = time.monotonic()
            self._decode(taken.tasks)
            del self._began[threading.get_ident()]
            with self._work:
                self._count(taken, -1)
                self._work.notify_all()
        if loaded is not None:
            for thread in self._threads[1:]:
                thread.join()
            self.engine.close()

    def _next_pass(self) -> _Pass | None:
        with self._work:
            while not self._stopping:
                if tasks := self._take():
                    taken = _Pass(tasks, any(task.stream._line.priority == "interactive" for task in tasks))
                    self._count(taken, 1)
                    return taken
                self._work.wait()
        return None

    def _take(self) -> list[_Task]:
        """Past the engine's lanes only interactive windows go, and never more of them than it has lanes: then no
        batch window begins until as many passes have ended, so all lanes stay busy and no more."""
        if self._passes < self.engine.lanes:
            return self._schedule.next_batch(self.max_batch)
        if self._interactive_passes < self.engine.lanes:
            return self._schedule.next_batch(self.max_batch, interactive_only=True)
        return []

    def _count(self, taken: _Pass, step: int) -> None:
        self._passes += step
        self._interactive_passes += step if taken.is_interactive else 0

    def _decode(self, tasks: list[_Task]) -> None:
        try:
            results = self.engine.decode([task.window for task in tasks])
            if len(results) != len(tasks):
                raise RuntimeError(f"{self.engine.name} gave {len(results)} results for {len(tasks)} windows")
        except OutOfMemory as error:
            self._decode_in_halves(tasks, error)
            return
        except Canceled as error:  # nobody waits for any of them
            for task in tasks:
                self._answer(task, error)
            return
        except Exception as error:  # noqa: BLE001 - it reaches each window's owner
            self._decode_failed(tasks, error)
            return
        for task, result in zip(tasks, results, strict=True):
            self._judge(task, result)

    def _decode_in_halves(self, tasks: list[_Task], error: OutOfMemory) -> None:
        """No window is to blame for a pass that was too large: it is halved, for this process's whole life."""
        if len(tasks) == 1:
            self._decode_failed(tasks, error)
            return
        half = len(tasks) // 2
        self.max_batch = min(self.max_batch, half)
        log.warning("A pass of %d windows ran out of memory: from now on %d are taken", len(tasks), self.max_batch)
        self._decode(tasks[:half])
        self._decode(tasks[half:])

    def _decode_failed(self, tasks: list[_Task], error: Exception) -> None:
        """One bad window must not fail its neighbours: each is tried once more, alone."""
        for task in tasks:
            if task.has_failed:
                log.error("A window could not be decoded", exc_info=error)
                self._answer(task, error)
            else:
                log.warning("A pass of %d windows failed, trying again one by one: %s", len(tasks), error)
                task.has_failed = True
                self._decode([task])

    def _judge(self, task: _Task, result: WindowResult) -> None:
        task.attempts.append(result)
        options = self._ladder.next_options(task.window.options, result)
        if options is None or (task.keeps_temperature and options.temperature != task.window.options.temperature):
            self._answer(task, self._ladder.choose(task.attempts))
        else:
            self._decode_again(task, options)

    def _decode_again(self, task: _Task, options: DecodeOptions) -> None:
        task.window = replace(task.window, options=options)
        task.key = self.engine.batch_key(task.window.options)
        with self._work:
            if not task.stream._is_closed:
                self._schedule.add_again(task.stream._line, task.key, task)
                self._work.notify_all()
                return
            task.stream._tasks.discard(task)
        task.future.cancel()  # its recording is not wanted any more, or goes on elsewhere

    def _answer(self, task: _Task, outcome: WindowResult | Exception) -> None:
        with self._work:
            if task not in task.stream._tasks:
                return  # its stream was closed meanwhile
            task.stream._tasks.remove(task)
        if isinstance(outcome, Exception):
            task.future.set_exception(outcome)
        else:
            task.future.set_result(outcome)

    def _submit(self, stream: WindowStream, window: Window) -> Future[WindowResult]:
        options = window.options
        task = _Task(window, self.engine.batch_key(options), stream, keeps_temperature=options.temperature > 0)
        with self._work:
            if self._stopping or stream._is_closed:
                raise CancelledError("The recording's windows are not wanted any more.")
            stream._tasks.add(task)
            self._schedule.add(stream._line, task.key, window.seconds, task)
            self._work.notify_all()
        return task.future

    def _restored(self, line: Line[_Task], window: Window) -> None:
        with self._work:
            self._schedule.add_restored(line, window.seconds)

    def _drain(self, stream: WindowStream) -> None:
        with self._work:
            stream._is_closed = True
            waiting = [task for _, _, task in stream._line.waiting]
            self._schedule.close(stream._line)
            stream._tasks.difference_update(waiting)
        for task in waiting:
            task.future.cancel()

    def _close(self, stream: WindowStream) -> None:
        with self._work:
            stream._is_closed = True
            self._schedule.close(stream._line)
            self._streams.discard(stream)
            tasks, stream._tasks = stream._tasks, set()
        for task in tasks:
            task.future.cancel()
