"""The models this process has loaded: each has a batcher of its own, and all share one device, so they are few.

A job takes the model it names, and waits if that is not loaded. To make room, the model that was used least recently is
evicted; one that is never idle is asked for its place once it has had a turn, and its jobs go back to their queues.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from engines.decoding.batcher import Batcher

LOOK_EVERY = 0.2  # seconds between two looks of a job that waits

log = logging.getLogger(__name__)

Value = TypeVar("Value")

Load = Callable[[str], Batcher]  # a batcher that has been started, or what loading raises


@dataclass(eq=False, slots=True)
class _Place:
    """One loaded model. users: jobs that have it in hand. Times are monotonic seconds."""

    model: str
    batcher: Batcher
    users: int = 0
    loaded_at: float = field(default_factory=time.monotonic)
    used_at: float = field(default_factory=time.monotonic)


class ModelPool:
    """load: loads a model. most: how many at once. turn: seconds that one which is never idle keeps its place while a
    job waits for another. make_room: asks the jobs of a model to go back to their queues; it may be called again and
    again. changed: told which models are loaded, from any thread."""

    def __init__(
        self,
        load: Load,
        *,
        most: int = 1,
        turn: float = 30.0,
        make_room: Callable[[str], None] = lambda model: None,
        changed: Callable[[tuple[str, ...]], None] = lambda loaded: None,
    ) -> None:
        self._load = load
        self._most = most
        self._turn = turn
        self._make_room = make_room
        self._changed = changed
        self._places: dict[str, _Place] = {}
        self._waiting: list[str] = []  # what jobs wait for, the longest first; a model may stand here often
        self._leaving: Batcher | None = None  # what is being closed: a pass of it may hang
        self._is_moving = False  # a model is being loaded or unloaded; one at a time, for the sake of memory
        self._idle_since = time.monotonic()
        self._news = threading.Condition()

    @property
    def loaded(self) -> tuple[str, ...]:
        with self._news:
            return tuple(self._places)

    def oldest_pass(self) -> float:
        """Seconds since the pass began that has been in hand longest, in any of the models."""
        with self._news:
            batchers = [place.batcher for place in self._places.values()]
            if self._leaving:
                batchers.append(self._leaving)
            return max((batcher.oldest_pass() for batcher in batchers), default=0.0)

    def lanes(self) -> tuple[int, int]:
        """How many passes may run at once in all the models, and how many do, those of express lanes included."""
        with self._news:
            batchers = [place.batcher for place in self._places.values()]
        return sum(batcher.engine.lanes for batcher in batchers), sum(batcher.passes for batcher in batchers)

    def idle_for(self) -> float:
        """Seconds since the last job let go of its model; 0 while there is one, or one waits."""
        with self._news:
            is_busy = self._is_moving or self._waiting or any(place.users for place in self._places.values())
            return 0.0 if is_busy else time.monotonic() - self._idle_since

    @contextmanager
    def use(self, model: str, check: Callable[[], None] = lambda: None) -> Iterator[Batcher]:
        """See `take` and `release`."""
        batcher = self.take(model, check)
        try:
            yield batcher
        finally:
            self.release(model)

    def take(self, model: str, check: Callable[[], None] = lambda: None) -> Batcher:
        """The model's batcher, once it is loaded; the caller calls `release` in the end. check: called while it waits;
        what it raises ends the waiting. Raises what loading raises."""
        with self._news:
            self._waiting.append(model)
            try:
                while not self._may_enter(model):
                    check()
                    if self._may_move(model):
                        return self._move(model)
                    self._ask_for_room(model)
                    self._news.wait(LOOK_EVERY)
                place = self._places[model]
                place.users += 1
                return place.batcher
            finally:
                self._waiting.remove(model)
                self._idle_since = time.monotonic()

    def release(self, model: str) -> None:
        with self._news:
            place = self._places[model]
            place.users -= 1
            place.used_at = self._idle_since = time.monotonic()
            self._news.notify_all()

    def _may_enter(self, model: str) -> bool:
        """A model that is to leave takes no more jobs, or it would never be idle."""
        return model in self._places and self._to_evict() is not self._places[model]

    def _to_evict(self) -> _Place | None:
        """The model whose place is wanted and whose turn is over."""
        wanted = any(model not in self._places for model in self._waiting)
        if not wanted or self._has_room():
            return None
        place = min(self._places.values(), key=lambda place: (place.users > 0, place.used_at))
        return place if not place.users or time.monotonic() - place.loaded_at >= self._turn else None

    def _is_next(self, model: str) -> bool:
        """Whether it is this job's part to see to its model now: whose model waits longest goes first."""
        first = next((name for name in self._waiting if name not in self._places), None)
        return not self._is_moving and model == first

    def _may_move(self, model: str) -> bool:
        """Whether the model may be loaded now, by this job."""
        if not self._is_next(model):
            return False
        place = self._to_evict()
        return self._has_room() or (place is not None and not place.users)

    def _has_room(self) -> bool:
        return len(self._places) < self._most

    def _ask_for_room(self, model: str) -> None:
        """Sends away the jobs of the model whose turn is over, if it is this job's part to ask."""
        place = self._to_evict() if self._is_next(model) else None
        if place is not None and place.users:
            self._without_lock(lambda: self._make_room(place.model))

    def _move(self, model: str) -> Batcher:
        """Loads the model and takes it at once, before another that waits could ask for its place."""
        leaving = None if self._has_room() else self._to_evict()
        if leaving:
            del self._places[leaving.model]
            self._leaving = leaving.batcher
        self._is_moving = True
        try:
            batcher = self._without_lock(lambda: self._evict_and_load(leaving, model))
            self._places[model] = _Place(model, batcher, users=1)
            return batcher
        finally:
            self._is_moving = False
            self._news.notify_all()
            loaded = tuple(self._places)
            self._without_lock(lambda: self._tell(loaded))

    def _tell(self, loaded: tuple[str, ...]) -> None:
        """What goes wrong with that must not keep the job from its model: nobody would let go of the place."""
        try:
            self._changed(loaded)
        except Exception:
            log.exception("Which models are loaded could not be told")

    def _evict_and_load(self, leaving: _Place | None, model: str) -> Batcher:
        if leaving:
            log.info("The model %s makes room for %s", leaving.model, model)
            leaving.batcher.close()
            with self._news:
                self._leaving = None
            leaving.batcher = None  # type: ignore[assignment]  # or its weights would live as long as this frame
            gc.collect()
        return self._load(model)

    def _without_lock(self, act: Callable[[], Value]) -> Value:
        self._news.release()
        try:
            return act()
        finally:
            self._news.acquire()
