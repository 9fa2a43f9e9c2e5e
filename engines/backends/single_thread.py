"""A thread for what wants to be called on one thread alone, whoever calls."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


class SingleThread:
    """Unlike an executor's thread, this one is left as it is when the process ends without `end`."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], Result]) -> Result:
        """What the function returns, or raises, on the thread."""
        future: Future[Result] = Future()

        def work() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - it is raised again where it was called from
                future.set_exception(error)

        self._calls.put(work)
        return future.result()

    def end(self) -> None:
        self._calls.put(None)
        self._thread.join()

    def _run(self) -> None:
        while work := self._calls.get():
            work()
