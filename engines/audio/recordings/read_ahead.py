"""A step of the line on a thread of its own, a few items ahead of whoever takes them.

Decoding a file and the network of voice activity both compute outside the interpreter's lock, so side by side a
recording is read as fast as the slower of them. Who takes nothing lets the step wait: memory stays bounded.

Steps that leave the lock and come back every few microseconds, as a decoder does with each packet, take turns: side by
side they would spend as much time handing the lock to one another as they compute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from itertools import islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

from engines.audio.recordings.turns import LOOK_EVERY, Turns

AT_ONCE = 24  # items that are taken without a thread: a clip of 12 s has no more
AHEAD = 8  # items that lie ready at most

Item = TypeVar("Item")


READING = Turns()  # of all recordings that this process reads


class _End(NamedTuple):
    """Nothing more comes, or this."""

    error: BaseException | None = None


_END = _End()


class ReadAhead(Generic[Item]):
    """Iterate it once, within a `with`, whose end is also that of the thread: what the step reads from may be closed
    then. Raises what the step raises, in its place.

    turns: the thread takes one for each item. The step may not be one that waits for items of another with these turns.
    at_once: items that are taken without a thread. check: called now and then while nothing is ready; may raise.
    """

    def __init__(
        self,
        step: Iterable[Item],
        name: str,
        turns: Turns | None = None,
        *,
        at_once: int = AT_ONCE,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._step = iter(step)
        self._at_once = at_once
        self._check = check
        self._turns = turns
        self._ready: SimpleQueue[Item | _End] = SimpleQueue()
        self._room = threading.Semaphore(AHEAD)
        self._is_left = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_left = True
        self._room.release()
        if self._thread.ident is not None:
            self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        taken = 0
        for taken, item in enumerate(islice(self._step, self._at_once), start=1):  # noqa: B007 - it is used behind the loop
            yield item
        if taken < self._at_once:
            return
        self._thread.start()
        while not isinstance(ready := self._next(), _End):
            self._room.release()
            yield ready
        if ready.error is not None:
            raise ready.error

    def _next(self) -> Item | _End:
        while True:
            with suppress(Empty):
                return self._ready.get(timeout=LOOK_EVERY)
            self._check()

    def _run(self) -> None:
        try:
            while True:
                with self._turns.one() if self._turns else nullcontext():
                    item = next(self._step, _END)
                if isinstance(item, _End):
                    break
                self._room.acquire()
                if self._is_left:
                    return
                self._ready.put(item)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the items are taken
            self._ready.put(_End(error))
        else:
            self._ready.put(_END)
