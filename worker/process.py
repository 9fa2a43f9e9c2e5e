"""The warm worker: one model, its batcher, the slots, and the threads that keep them honest."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from filelock import FileLock, Timeout
from redis.exceptions import RedisError

from engines.batcher import Batcher
from engines.registry import EngineOptions, create_engine
from worker import presence
from worker.connection import connect
from worker.events import Events, FeedReader
from worker.jobs import Priority
from worker.maintenance import MAINTENANCE_EVERY, Maintenance
from worker.presence import BEAT, WorkerPresence, process_name
from worker.queue import JobQueue
from worker.runner import JobRunner
from worker.settings import WorkerSettings
from worker.slots import Slots
from worker.store import LocalStore

LEAST_SLOTS = 4  # for recordings a client waits for …
MOST_SLOTS = 64  # … unless the settings say how many
DRAIN = 8.5  # seconds for the windows in hand after SIGTERM; longer than JobRunner's patience for them
HUNG = 70  # exit code: a pass of the model does not end

log = logging.getLogger(__name__)


class WorkerProcess:
    """`run` serves until SIGTERM or SIGINT. A model that cannot be loaded leaves the process up and not ready,
    so that readiness can say why and jobs wait."""

    def __init__(self, settings: WorkerSettings, redis_url: str) -> None:
        self._settings = settings
        self._redis_url = redis_url
        self._redis = connect(redis_url, patient=True)
        self._events = Events(connect(redis_url))
        self._feed_redis = connect(redis_url)
        self._store = LocalStore(settings.data_dir)
        self._stopped = threading.Event()
        self._slots: Slots | None = None
        self._presence = WorkerPresence(process_name(), "loading", settings.model, pid=os.getpid())

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        threading.Thread(target=self._beat, name="heart", daemon=True).start()
        with self._the_device():
            batcher = self._load()
            if batcher is None:
                self._wait_for_signal()
            else:
                self._serve(batcher)
        self._withdraw()

    @contextmanager
    def _the_device(self) -> Iterator[None]:
        """Two models on one device would take its memory from each other. The lock ends with its holder."""
        device = re.sub(r"\W", "-", self._settings.device)
        lock = FileLock(self._settings.data_dir / f"worker.{device}.lock")
        while True:
            try:
                with lock.acquire(timeout=1.0):
                    yield
                    return
            except Timeout:
                log.info("Another worker still holds the device %s: waiting for its end", self._settings.device)

    def _load(self) -> Batcher | None:
        settings = self._settings
        options = EngineOptions(
            model=settings.model,
            device=settings.device,
            compute_type=settings.compute_type,
            lanes=settings.lanes,
            threads=settings.threads,
            max_batch=settings.max_batch,
            data_dir=settings.data_dir,
            offline=settings.offline,
        )
        try:
            batcher = Batcher(create_engine(settings.engine, options))
            batcher.start()
        except Exception as error:
            log.error("The model %s could not be loaded: %s", settings.model, error, exc_info=log.isEnabledFor(10))
            self._announce(replace(self._presence, state="failed", error=str(error)))
            return None
        engine = batcher.engine
        device = str(getattr(engine, "device", ""))
        self._announce(replace(self._presence, state="ready", engine=engine.name, device=device))
        log.info("Ready: %s, %s, %d lanes, batches of %d", engine.model, engine.name, engine.lanes, engine.max_batch)
        return batcher

    def _serve(self, batcher: Batcher) -> None:
        settings = self._settings
        runner = JobRunner(
            self._store,
            JobQueue(self._redis),
            self._events,
            batcher,
            beam_size=settings.beam_size,
            max_seconds=settings.max_audio_hours * 3600,
            context=settings.context,
            drop_audio=settings.keep.audio == 0,
        )
        slots = self._slots = Slots(self._redis, runner, self._slot_counts(batcher))
        feed = FeedReader(
            self._feed_redis,
            lambda job_id, state: runner.cancel(job_id) if state == "canceled" else None,
            runner.cancel_ended,
        )
        feed.start()
        slots.start()
        threading.Thread(target=self._watch, args=(batcher,), name="watchdog", daemon=True).start()
        threading.Thread(target=self._maintain, name="maintenance", daemon=True).start()
        self._wait_for_signal()
        log.info("Stopping: jobs in hand go back to their queue")
        slots.take_no_more()
        runner.stop()
        slots.stop(DRAIN, runner.leave_all)

    def _slot_counts(self, batcher: Batcher) -> dict[Priority, int]:
        """Fewer interactive slots than windows in a pass would leave a GPU's passes half empty when many clips wait."""
        at_once = batcher.engine.lanes * batcher.engine.max_batch
        interactive = self._settings.interactive_slots or min(max(LEAST_SLOTS, at_once), MOST_SLOTS)
        return {"interactive": interactive, "batch": self._settings.batch_slots}

    def _wait_for_signal(self) -> None:
        while not self._stopped.wait(0.5):  # without a timeout a signal may come just before the wait and be lost
            continue

    def _beat(self) -> None:
        """A sign of life for the process and a renewed lease for every running job."""
        while True:
            try:
                presence.announce(self._redis, self._presence)
                if self._slots:
                    self._slots.beat()
            except Exception:  # whatever it is, a heart that stopped would have running jobs taken away
                log.exception("A sign of life could not be given")
            if self._stopped.wait(BEAT):
                return

    def _watch(self, batcher: Batcher) -> None:
        """Nothing can interrupt a call that hangs in native code; the end of the process can. Its job goes on in the
        worker that the supervisor starts next."""
        limit = self._settings.pass_timeout
        while batcher.oldest_pass() <= limit:
            time.sleep(min(1.0, limit / 4))
        log.critical("A pass of the model has taken over %.0f s: the worker ends itself", limit)
        os._exit(HUNG)

    def _maintain(self) -> None:
        """The API does this too; a worker that runs without one must not depend on it."""
        redis = connect(self._redis_url)
        maintenance = Maintenance(self._store, JobQueue(redis), self._events, redis, self._settings.keep)
        while not self._stopped.wait(MAINTENANCE_EVERY):
            try:
                maintenance.run_once()
            except RedisError as error:
                log.warning("Maintenance waits for Redis: %s", error)
            except Exception:
                log.exception("Maintenance failed; the next round is in %.0f s", MAINTENANCE_EVERY)

    def _announce(self, now: WorkerPresence) -> None:
        self._presence = now
        try:
            presence.announce(self._redis, now)
        except RedisError as error:
            log.warning("Redis does not answer: %s", error)

    def _withdraw(self) -> None:
        try:
            presence.withdraw(self._feed_redis, self._presence.name)
        except RedisError as error:
            log.warning("Redis does not answer: %s", error)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stopped.is_set():
            os._exit(1)  # asked twice
        if self._presence.state == "loading":
            os._exit(0)  # nothing is in hand yet
        last_resort = threading.Timer(DRAIN + 1, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()
        self._stopped.set()
