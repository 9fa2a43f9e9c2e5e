"""The one owner of the model: forms passes from the windows of all recordings.

transcriber ─ WindowStream.submit(window) ─► Schedule ─► lane thread ─ engine.decode([...]) ─► Future
                                                ▲                          │
                                                └── failed thresholds: next temperature, a later pass
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Hashable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace

from engines.base import Engine, Window, WindowResult
from engines.quality import Ladder
from engines.schedule import Line, Priority, Schedule

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Task:
    window: Window
    key: Hashable
    line: Line[_Task]
    future: Future[WindowResult] = field(default_factory=Future)
    attempts: list[WindowResult] = field(default_factory=list)


class WindowStream:
    """The windows of one recording on their way through the model."""

    def __init__(self, batcher: Batcher, line: Line[_Task]) -> None:
        self._batcher = batcher
        self._line = line
        self._futures: list[Future[WindowResult]] = []

    def submit(self, window: Window) -> Future[WindowResult]:
        """Queues a window. The future raises what the engine raised, or CancelledError after `close`."""
        future = self._batcher._submit(self._line, window)
        self._futures = [held for held in self._futures if not held.done()] + [future]
        return future

    def close(self) -> None:
        """Drops what has not been decoded and wakes who waits for it; safe from any thread, and twice."""
        self._batcher._close(self._line)
        for future in self._futures:
            future.cancel()


class Batcher:
    """Runs `engine.lanes` threads over one engine."""

    def __init__(self, engine: Engine, ladder: Ladder | None = None) -> None:
        self.engine = engine
        self._ladder = ladder or Ladder()
        self._schedule: Schedule[_Task] = Schedule()
        self._work = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []

    @property
    def window_limit(self) -> int:
        """How many windows one recording may have waiting, so that memory is bounded."""
        return 2 * self.engine.max_batch * self.engine.lanes

    def start(self) -> None:
        """Loads the engine on the first lane's thread and starts the others. Raises what loading raises."""
        loaded: Future[None] = Future()
        self._start_lane(0, loaded)
        loaded.result()
        for lane in range(1, self.engine.lanes):
            self._start_lane(lane, None)

    def open(self, priority: Priority) -> WindowStream:
        with self._work:
            return WindowStream(self, self._schedule.open(priority))

    def close(self) -> None:
        """Finishes the passes in hand and closes the engine."""
        with self._work:
            self._stopping = True
            self._work.notify_all()
        for thread in reversed(self._threads):  # the first lane goes last: it closes the engine
            thread.join()

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
        while batch := self._next_batch():
            self._decode(batch)
        if loaded is not None:
            for thread in self._threads[1:]:
                thread.join()
            self.engine.close()

    def _next_batch(self) -> list[_Task]:
        with self._work:
            while not self._stopping:
                if batch := self._schedule.next_batch(self.engine.max_batch):
                    return batch
                self._work.wait()
        return []

    def _decode(self, tasks: list[_Task]) -> None:
        try:
            results = self.engine.decode([task.window for task in tasks])
        except Exception as error:  # noqa: BLE001 - it reaches each window's owner
            self._decode_failed(tasks, error)
            return
        for task, result in zip(tasks, results, strict=True):
            self._judge(task, result)

    def _decode_failed(self, tasks: list[_Task], error: Exception) -> None:
        """One bad window must not fail its neighbours: they are tried once more, one by one."""
        if len(tasks) > 1:
            log.warning("A pass of %d windows failed, decoding them one by one: %s", len(tasks), error)
            for task in tasks:
                self._decode([task])
            return
        log.exception("A window could not be decoded", exc_info=error)
        _resolve(tasks[0].future, error)

    def _judge(self, task: _Task, result: WindowResult) -> None:
        if task.future.cancelled():
            return
        task.attempts.append(result)
        temperature = self._ladder.next_temperature(result)
        asked_for = len(task.attempts) == 1 and task.window.options.temperature > 0  # a caller's own is no ladder's
        if temperature is None or asked_for:
            _resolve(task.future, self._ladder.choose(task.attempts))
            return
        options = replace(task.window.options, temperature=temperature)
        task.window = replace(task.window, options=options)
        task.key = self.engine.batch_key(options)
        with self._work:
            self._schedule.add_again(task.line, task.key, task)
            self._work.notify()

    def _submit(self, line: Line[_Task], window: Window) -> Future[WindowResult]:
        task = _Task(window, self.engine.batch_key(window.options), line)
        with self._work:
            if self._stopping:
                raise CancelledError("The model is being closed.")
            self._schedule.add(line, task.key, window.seconds, task)
            self._work.notify()
        return task.future

    def _close(self, line: Line[_Task]) -> None:
        with self._work:
            self._schedule.close(line)


def _resolve(future: Future[WindowResult], outcome: WindowResult | BaseException) -> None:
    """Answers a future whose owner may have given it up meanwhile."""
    if future.cancelled() or not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
