"""The one owner of the model: decodes the windows of all recordings, pass by pass.

transcriber ─ WindowStream.submit(window) ─► WindowQueue ─► lane thread ─ engine.decode([...]) ─► Future
                                                 ▲                          │
                                                 └── failed thresholds: next temperature, a later pass
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from engines.base import Engine, WindowResult
from engines.decoding.quality import Ladder
from engines.decoding.schedule import Priority
from engines.decoding.window_queue import WindowQueue, WindowStream, WindowTask
from engines.errors import Canceled, OutOfMemory

log = logging.getLogger(__name__)


class Batcher:
    """Runs a thread over the engine for each of its lanes, express lanes included.

    on_pass: told how many windows a pass has, as it begins, from any thread.
    """

    def __init__(
        self, engine: Engine, ladder: Ladder | None = None, on_pass: Callable[[int], None] = lambda windows: None
    ) -> None:
        self.engine = engine
        self._on_pass = on_pass
        self.max_batch = engine.max_batch  # falls when the device's memory runs out
        self._ladder = ladder or Ladder()
        # Where passes share the processor, one takes as long as all its windows.
        self._queue = WindowQueue(engine.lanes, engine.batch_key, mixes=not engine.express_lanes)
        self._threads: list[threading.Thread] = []
        self._began: dict[int, float] = {}  # when the pass of each busy thread began, in monotonic seconds

    @property
    def window_limit(self) -> int:
        """How many windows one recording may have waiting, so that memory is bounded."""
        return 2 * self.max_batch * self.engine.lanes

    @property
    def passes(self) -> int:
        """How many are in hand, those of express lanes included."""
        return len(self._began)

    def oldest_pass(self) -> float:
        """Seconds since the pass began that has been in hand longest; 0 if none is."""
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
        return self._queue.open(priority)

    def close(self) -> None:
        """Finishes the passes in hand, cancels what still waits, and closes the engine."""
        self._queue.stop()
        for thread in reversed(self._threads):  # the first lane goes last: it closes the engine
            thread.join()
        self._queue.close_all()

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
        while taken := self._queue.next_pass(self.max_batch):
            self._began[threading.get_ident()] = time.monotonic()
            self._on_pass(len(taken.tasks))
            self._decode(taken.tasks)
            del self._began[threading.get_ident()]
            self._queue.end_pass(taken)
        if loaded is not None:
            for thread in self._threads[1:]:
                thread.join()
            self.engine.close()

    def _decode(self, tasks: list[WindowTask]) -> None:
        try:
            results = self.engine.decode([task.window for task in tasks])
            if len(results) != len(tasks):
                raise RuntimeError(f"{self.engine.name} gave {len(results)} results for {len(tasks)} windows")
        except OutOfMemory as error:
            self._decode_in_halves(tasks, error)
            return
        except Canceled as error:  # nobody waits for any of them
            for task in tasks:
                self._queue.answer(task, error)
            return
        except Exception as error:  # noqa: BLE001 - it reaches each window's owner
            self._decode_failed(tasks, error)
            return
        for task, result in zip(tasks, results, strict=True):
            self._judge(task, result)

    def _decode_in_halves(self, tasks: list[WindowTask], error: OutOfMemory) -> None:
        """No window is to blame for a pass that was too large: it is halved, for this process's whole life."""
        if len(tasks) == 1:
            self._decode_failed(tasks, error)
            return
        half = len(tasks) // 2
        self.max_batch = min(self.max_batch, half)
        log.warning("A pass of %d windows ran out of memory: from now on %d are taken", len(tasks), self.max_batch)
        self._decode(tasks[:half])
        self._decode(tasks[half:])

    def _decode_failed(self, tasks: list[WindowTask], error: Exception) -> None:
        """One bad window must not fail its neighbours: each is tried once more, alone."""
        for task in tasks:
            if task.has_failed:
                log.error("A window could not be decoded", exc_info=error)
                self._queue.answer(task, error)
            else:
                log.warning("A pass of %d windows failed, trying again one by one: %s", len(tasks), error)
                task.has_failed = True
                self._decode([task])

    def _judge(self, task: WindowTask, result: WindowResult) -> None:
        task.results.append(result)
        temperature = task.window.temperature
        again = self._ladder.next_attempt(temperature, task.results, task.window.seconds)
        is_callers = task.window.options.temperature > 0  # a caller's own temperature is no ladder's
        if again is None or (is_callers and again.temperature != temperature):
            self._queue.answer(task, self._ladder.choose(task.results, task.window.seconds))
        else:
            self._queue.decode_again(task, again)
