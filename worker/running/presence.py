"""What a worker process tells of itself, again and again: its heartbeat, its vitals, what it has counted."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from worker.fleet.clock import Clock
from worker.fleet.identity import process_name
from worker.fleet.needs import Need, needs_met
from worker.fleet.store_note import StoreNote
from worker.models.names import ModelNames
from worker.queue import heartbeat
from worker.queue.heartbeat import WorkerHeartbeat
from worker.queue.slots import Slots
from worker.runtime.timing import Timing
from worker.telemetry.totals import Totals
from worker.telemetry.vitals import Vitals, announce_vitals, withdraw_vitals

log = logging.getLogger(__name__)


class Presence:
    """May be used from any thread. names: of the models it serves. store: whose jobs it runs."""

    def __init__(self, redis: Redis, names: ModelNames, store: StoreNote, timing: Timing, clock: Clock) -> None:
        self.now = WorkerHeartbeat(process_name(), "loading", names.default, pid=os.getpid())
        self._redis = redis
        self._store = store
        self._timing = timing
        self._clock = clock
        self._totals = Totals()
        self._vitals = Vitals(models=names.known, is_routed=True)
        self._showing = threading.Lock()

    def become(self, **changes: Any) -> None:
        """Changes the heartbeat; `tell` tells of it."""
        self.now = replace(self.now, **changes)

    def tell(self, slots: Slots | None) -> None:
        """One at a time, or a beat that began before a change could be written after it."""
        with self._showing:
            now = self.now
            if slots and slots.trouble:
                now = replace(now, state="failed", error=slots.trouble)
            elif now.takes_work and not (slots and slots.are_serving):
                now = replace(now, state="loading")
            heartbeat.announce(self._redis, now, self._timing)
            self._store.tell(self._redis)

    def tell_more(self, **vitals: Any) -> None:
        """Its vitals, and what was counted. vitals: fields of Vitals that have changed."""
        at = self._clock.now()
        started_at = self._vitals.started_at or at
        self._vitals = replace(self._vitals, started_at=started_at, beat_at=at, **vitals)
        announce_vitals(self._redis, self.now.name, self._vitals, self._timing)
        self._totals.add_up(self._redis)

    def needs_met(self) -> set[Need]:
        """Of jobs that wait, or have waited, in queues from which not every worker takes."""
        return needs_met(self._redis, self._vitals.models, self.now.engine)

    def withdraw(self, redis: Redis) -> None:
        """redis: a client that does not wait for long."""
        try:
            self._totals.add_up(redis)
            heartbeat.withdraw(redis, self.now.name)
            withdraw_vitals(redis, self.now.name)
        except RedisError as error:
            log.warning("Redis does not answer: %s", error)
