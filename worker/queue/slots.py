"""All slots of a worker process. They feed one batcher, so that clients and long recordings share its passes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue

from worker.fleet.clock import Clock
from worker.fleet.needs import Need
from worker.queue.gate import Gate
from worker.queue.heartbeat import SLOTS_FAIL
from worker.queue.job_queue import FETCH, QUARANTINE, QueueName
from worker.queue.slot import RETRY_AFTER, Slot, Work
from worker.runtime.timing import Timing
from worker.store.records import PRIORITIES, Priority

FETCHES = 4  # recordings that are fetched at once
FAILING = 3  # failures in a row after which a slot counts as not working

_NONE = (0, "")

log = logging.getLogger(__name__)


class Slots:
    """All slots of a worker process, each on a thread that starts over if it fails."""

    def __init__(
        self,
        redis: Redis,
        work: Work,
        counts: Mapping[Priority, int],
        timing: Timing = Timing(),
        clock: Clock = Clock(),
    ) -> None:
        self._timing = timing
        self._clock = clock
        self._redis = redis
        self._work = work
        self._counts: dict[QueueName, int] = {QUARANTINE: 1, FETCH: FETCHES}
        for name, count in counts.items():
            self._counts[name] = count
        self._gate = Gate(timing, dict(counts.items()))
        self._stopping = threading.Event()
        self._slots: dict[int, Slot] = {}
        self._threads: list[threading.Thread] = []
        self._queue_of: list[QueueName] = []  # of each thread
        self._need_of: list[Need | None] = []  # of each thread; see `serve_needs`
        self._adding = threading.RLock()
        self._served: set[QueueName] = set()  # queues in which a slot has looked for a job
        self._failures: dict[int, tuple[int, str]] = {}  # how often a slot failed in a row, and how it did last
        self._logging = threading.Lock()
        self._logged: set[tuple[QueueName, str]] = set()

    def start(self) -> None:
        for queue, count in self._counts.items():
            self._add(queue, count)

    def ensure(self, counts: dict[Priority, int]) -> None:
        """Adds slots where there are fewer than these: a model that was loaded since may take more at once."""
        for queue, count in counts.items():
            try:
                self._add(queue, count - self._counts[queue])
            except RuntimeError as error:  # the system has no more threads now: a model is served by fewer slots, too
                log.warning("Slots of the queue %s are missing: %s", queue, error)
            self._counts[queue] = max(self._count(queue), self._counts[queue])
            self._gate.set_places(queue, self._counts[queue])

    def serve_needs(self, needs: Iterable[Need]) -> None:
        """Takes from the queues of these needs as well, from now on: with a slot each, and more as they have work; the
        places of each kind are not more for it."""
        for need in needs:
            for kind in (*PRIORITIES, QUARANTINE):
                self._ensure_idle(kind, need)

    def _ensure_idle(self, kind: QueueName, need: Need) -> None:
        """One that waits for the next job of this need, unless it could not run it beside the others."""
        with self._adding:
            of_it = [
                number for number, name in enumerate(self._queue_of) if (name, self._need_of[number]) == (kind, need)
            ]
            slots = [self._slots.get(number) for number in of_it]  # None: it is about to begin
            is_enough = len(of_it) >= self._counts[kind] or any(slot is None or not slot.is_busy for slot in slots)
            if not is_enough and not self._stopping.is_set():
                self._add(kind, 1, need)

    def _add(self, queue: QueueName, count: int, need: Need | None = None) -> None:
        with self._adding:
            for _ in range(count):
                number = len(self._threads)
                name = f"{need.queue(queue) if need else queue}-{number}"
                thread = threading.Thread(target=self._serve, args=(number, queue, need), name=name, daemon=True)
                self._queue_of.append(queue)
                self._need_of.append(need)
                self._threads.append(thread)
                try:
                    thread.start()
                except RuntimeError:
                    self._queue_of.pop()
                    self._need_of.pop()
                    self._threads.pop()
                    raise

    def _count(self, queue: QueueName) -> int:
        """How many slots take from the common queue of this name."""
        with self._adding:
            return list(zip(self._queue_of, self._need_of, strict=True)).count((queue, None))

    @property
    def busy(self) -> int:
        """How many have a job in hand."""
        return sum(slot.is_busy for slot in list(self._slots.values()))

    def beat(self) -> None:
        for slot in list(self._slots.values()):
            try:
                slot.beat()
            except RedisError as error:
                log.warning("A lease could not be renewed: %s", error)

    def take_no_more(self) -> None:
        self._stopping.set()
        for slot in list(self._slots.values()):
            slot.stop()

    def stop(self, timeout: float, leave_all: Callable[[], None] = lambda: None) -> None:
        """Takes no more jobs and waits up to `timeout` seconds for those in hand to end; then calls `leave_all` and
        hands back what is left of them."""
        self.take_no_more()
        deadline = time.monotonic() + timeout
        for number, thread in enumerate(self._threads):
            slot = self._slots.get(number)
            if slot is not None and slot.is_busy:
                thread.join(max(0.0, deadline - time.monotonic()))
        self._let_idle_slots_put_back(deadline)
        leave_all()
        for slot in list(self._slots.values()):
            try:
                slot.give_back()
            except RedisError as error:
                log.warning("A job could not be handed back, its lease runs out: %s", error)

    def _let_idle_slots_put_back(self, deadline: float) -> None:
        """An idle slot, still in its blocking read, is given at once what a busy one hands back; it returns it and
        ends, and the next one is given it. Ending the process in between would leave the job on its way."""
        served = {need.queue(kind) for kind, need in zip(self._queue_of, self._need_of, strict=True) if need}
        names = [*self._counts, *served]
        queues = [Queue(name, connection=self._redis) for name in names]
        while time.monotonic() < deadline and any(queue.intermediate_queue.get_job_ids() for queue in queues):
            time.sleep(0.02)

    def _serve(self, number: int, queue: QueueName, need: Need | None) -> None:
        def add_spare() -> None:
            if need:
                self._ensure_idle(queue, need)

        while not self._stopping.is_set():
            try:
                slot = Slot(queue, self._redis, self._work, self._gate, self._timing, self._clock, need, add_spare)
                self._slots[number] = slot
                slot.serve()
            except Exception as error:  # noqa: BLE001 - logged once, and counted
                self._count_failure(number, queue, error)
                self._stopping.wait(RETRY_AFTER)

    @property
    def are_serving(self) -> bool:
        """Whether a slot of every queue has looked for a job once. What fails later is a matter of `trouble`."""
        self._served |= {self._queue_of[number] for number, slot in list(self._slots.items()) if slot.has_served}
        return self._served >= self._counts.keys()

    @property
    def trouble(self) -> str:
        """Why jobs of a queue are not taken: each of its slots starts over again and again. Empty if all are served."""
        for queue in self._counts:
            of_queue = [number for number, name in enumerate(self._queue_of) if name == queue]
            failing = [number for number in of_queue if self._is_failing(number)]
            if of_queue and len(failing) == len(of_queue):
                return f"{SLOTS_FAIL} {queue} works: {self._failures[failing[0]][1][:500]}"
        return ""

    def _is_failing(self, number: int) -> bool:
        slot = self._slots.get(number)
        return self._failures.get(number, _NONE)[0] >= FAILING and not (slot and slot.has_served)

    def _count_failure(self, number: int, queue: QueueName, error: Exception) -> None:
        """Logs what is new: a slot that cannot serve fails each second."""
        slot = self._slots.pop(number, None)
        before = _NONE if slot and slot.has_served else self._failures.get(number, _NONE)
        text = f"{type(error).__name__}: {error}"
        self._failures[number] = (before[0] + 1, text)
        with self._logging:
            is_new = (queue, text) not in self._logged
            self._logged.add((queue, text))
        if is_new:
            log.exception("A slot of the queue %s gave up, and is started again until it works", queue)
