"""The warm worker: its models, the slots, and the threads that keep them honest."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import nullcontext, suppress
from functools import partial
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from engines.audio.recordings.reader_processes import ReaderProcesses
from engines.decoding.batcher import Batcher
from engines.errors import EngineError
from worker.drain import DrainRequest
from worker.fleet.clock import RedisClock
from worker.fleet.device_lock import device_lock
from worker.fleet.store_note import StoreNote
from worker.maintenance.maintenance import Maintenance
from worker.models.diarizer import SharedDiarizer
from worker.models.pool import ModelPool
from worker.models.remedies import with_remedy
from worker.outbound.addresses import AddressBook
from worker.outbound.client import tls_context
from worker.outbound.download import Downloader, DownloadLimits
from worker.queue.events import Events, FeedReader
from worker.queue.heartbeat import Takers
from worker.queue.job_queue import JobQueue
from worker.queue.slots import Slots
from worker.running import loading
from worker.running.attempt import DecodingLimits
from worker.running.fetching import Fetcher
from worker.running.job_access import JobAccess
from worker.running.job_runner import JobRunner
from worker.running.presence import Presence
from worker.runtime.connection import connect, connect_feed
from worker.runtime.exit_codes import ASKED_TWICE, DRAINED, HUNG, IDLE
from worker.settings import WorkerSettings
from worker.store.factory import open_store
from worker.store.records import Priority
from worker.store.upload_limits import MIN_BYTES

MIN_SLOTS = 4  # for recordings a client waits for …
MAX_SLOTS = 64  # … unless the settings say how many

log = logging.getLogger(__name__)


class WorkerProcess:
    """`run` serves until SIGTERM or SIGINT, or until it has been idle for long; it returns the exit code. A model that
    cannot be loaded leaves the process up and not ready, so that readiness can say why and jobs wait.

    starts_idle: with no model in memory, until there is a job.
    """

    def __init__(self, settings: WorkerSettings, redis_url: str, *, starts_idle: bool = False) -> None:
        self._settings = settings
        self._timing = settings.timing
        self._redis_url = redis_url
        self._starts_idle = starts_idle
        self._clock = RedisClock()
        self._redis = connect(redis_url, patient=True)
        news = connect(redis_url)  # a run goes on without Redis, so what it tells must not wait for it
        self._clock.try_to_measure(news)
        self._events = Events(news)
        self._feed_redis = connect_feed(redis_url, self._timing)
        self._store = open_store(settings)
        self._stopped = threading.Event()
        self._slots: Slots | None = None
        self._drain, self._is_draining = DrainRequest.of(settings.data_dir), False
        self._names = settings.model_names
        self._models = ModelPool(
            self._load,
            most=settings.max_loaded_models,
            turn=settings.model_turn,
            make_room=lambda model: self._runner.running.make_room(model),
            changed=self._on_loaded,
        )
        note = StoreNote.by_settings(settings, self._timing)
        jobs = JobAccess(
            self._store,
            self._queue(news),
            self._events,
            drop_audio=settings.keep.audio == 0,
            other_stores=partial(note.others, news),
            clock=self._clock,
            takers=Takers(news, self._timing),
        )
        limits = DecodingLimits(settings.beam_size, settings.max_audio_hours * 3600, settings.context)
        self._readers = ReaderProcesses()
        diarizer = SharedDiarizer(loading.speaker_options(settings))
        self._runner = JobRunner(
            jobs, self._names, self._models, limits, self._fetcher(), self._timing, diarizer, self._readers.open
        )
        self._presence = Presence(self._redis, self._names, note, self._timing, self._clock)

    def _fetcher(self) -> Fetcher:
        settings = self._settings
        limits = DownloadLimits(settings.max_upload_bytes, settings.url_timeout, settings.upload_stall, MIN_BYTES)
        book = AddressBook(settings.url_policy)
        return Fetcher(
            self._store, Downloader(book, tls_context(settings.webhook_ca_file), limits), settings.min_free_bytes
        )

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        threading.Thread(target=self._beat, name="heart", daemon=True).start()
        self._store.keep_index(self._timing)
        with device_lock(self._settings.data_dir, self._settings.device):
            if self._drain.is_there():  # it takes no job, so it needs no model
                return DRAINED
            if self._is_prepared():
                self._serve()
            else:
                self._wait_for_end()
        self._readers.close()
        self._presence.withdraw(self._feed_redis)
        return 0 if self._stopped.is_set() else DRAINED if self._is_draining else IDLE

    def _is_prepared(self) -> bool:
        """Loads the default model, unless that is left to the first job."""
        if self._starts_idle:
            self._announce(state="idle")
            log.info("Ready, with no model in memory: the first job loads one")
            return True
        try:
            with self._models.use(self._names.default):
                return True
        except EngineError as error:
            told = with_remedy(error)
            log.error("The model %s could not be loaded: %s", self._names.default, told)
            self._announce(state="failed", error=told)
            return False

    def _load(self, model: str) -> Batcher:
        batcher = loading.load(model, self._settings)
        engine = batcher.engine
        self._readers.prepare(loading.reader_processes(engine, self._settings))
        self._presence.become(engine=engine.name, device=loading.device_of(engine))
        if self._slots:
            self._slots.ensure(self._slot_counts(batcher))
        return batcher

    def _on_loaded(self, loaded: tuple[str, ...]) -> None:
        state = "loading" if self._presence.now.state == "loading" and not loaded else "ready"
        self._announce(state=state, loaded=",".join(loaded))

    def _serve(self) -> None:
        runner = self._runner
        with self._models.use(self._names.default) if self._models.loaded else nullcontext() as batcher:
            slots = self._slots = Slots(self._redis, runner, self._slot_counts(batcher), self._timing, self._clock)
        feed = FeedReader(
            self._feed_redis,
            lambda job_id, state: runner.cancel(job_id) if state == "canceled" else None,
            runner.cancel_ended,
            self._timing,
        )
        feed.start()
        slots.start()
        threading.Thread(target=self._say_when_serving, args=(slots,), name="serving", daemon=True).start()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        threading.Thread(target=self._maintain, name="maintenance", daemon=True).start()
        self._wait_for_end()
        log.info("Stopping: jobs in hand go back to their queue")
        slots.take_no_more()
        runner.running.stop()
        slots.stop(self._timing.drain, runner.running.leave_all)

    def _say_when_serving(self, slots: Slots) -> None:
        """Clients wait for a worker that is ready, so they are not to wait for the next heartbeat."""
        while not slots.are_serving and not self._stopped.wait(0.02):
            continue
        with suppress(RedisError):
            self._presence.tell(slots)

    def _slot_counts(self, batcher: Batcher | None) -> dict[Priority, int]:
        """Fewer interactive slots than windows in two passes would leave a GPU waiting when many clips come: those of
        the next pass are read while one is decoded. batcher: None before a model is loaded."""
        at_once = 2 * batcher.engine.lanes * batcher.engine.max_batch if batcher else MIN_SLOTS
        interactive = self._settings.interactive_slots or min(max(MIN_SLOTS, at_once), MAX_SLOTS)
        return {"interactive": interactive, "batch": self._settings.batch_slots}

    def _wait_for_end(self) -> None:
        """Until a signal comes, a drain is done, or a model has had nothing to do for long."""
        while not self._stopped.wait(0.5):  # without a timeout a signal may come just before the wait and be lost
            if self._is_drained():
                return
            ttl = self._settings.model_ttl
            if ttl is not None and self._models.loaded and self._models.idle_for() > ttl:
                log.info("Nothing to do for %.0f s: the model's memory is given back", ttl)
                return

    def _is_drained(self) -> bool:
        """Takes no more jobs from the moment that is asked for; whether the last one in hand has ended since."""
        if not self._is_draining and self._drain.is_there():
            log.info("Draining: jobs in hand are finished, and no more are taken")
            self._is_draining = True
            if self._slots:
                self._slots.take_no_more()
        return self._is_draining and not (self._slots and self._slots.busy)

    def _beat(self) -> None:
        """A heartbeat for the process and a renewed lease for every running job."""
        while True:
            try:
                skew = self._clock.measure(self._redis)  # before the leases, which go by it
                if self._slots:
                    self._slots.beat()
                    self._slots.serve_needs(self._presence.needs_met())
                self._presence.tell(self._slots)
                self._readers.end_idle()
                lanes, passes = self._models.lanes()
                jobs = self._slots.busy if self._slots else 0
                self._presence.tell_more(
                    skew=skew, jobs=jobs, lanes=lanes, busy_lanes=passes, is_draining=self._is_draining
                )
            except Exception:  # whatever it is, a heart that stopped would have running jobs taken away
                log.exception("Heartbeat failed")
            if self._stopped.wait(self._timing.beat):
                return

    def _watch(self) -> None:
        """Nothing can interrupt a call that hangs in native code; the end of the process can. Its job goes on in the
        worker that the supervisor starts next."""
        limit = self._settings.pass_timeout
        while self._models.oldest_pass() <= limit:
            time.sleep(min(5.0, limit / 4))
        log.critical("A pass of the model has taken over %.0f s: the worker ends itself", limit)
        self._runner.running.note_crash()  # a supervisor would, but there may be none
        os._exit(HUNG)

    def _queue(self, redis: Redis) -> JobQueue:
        return JobQueue(redis, timing=self._timing, clock=self._clock, shows_names=self._settings.dashboard_filenames)

    def _maintain(self) -> None:
        """The API does this too; a worker that runs without one must not depend on it."""
        redis = connect(self._redis_url)
        queue, every = self._queue(redis), self._timing.maintenance
        keep = self._settings.keep
        maintenance = Maintenance(self._store, queue, self._events, redis, keep, self._timing, self._clock)
        while not self._stopped.wait(every):
            try:
                maintenance.run_once()
            except (RedisError, OSError) as error:  # one of both is away, or a disk is full
                log.warning("Maintenance waits for Redis or the store: %s", error)
            except Exception:
                log.exception("Maintenance failed; the next round is in %.0f s", every)

    def _announce(self, **changes: Any) -> None:
        """changes: of the heartbeat."""
        self._presence.become(**changes)
        try:
            self._presence.tell(self._slots)
        except RedisError as error:
            log.warning("Redis does not answer: %s", error)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stopped.is_set():
            os._exit(ASKED_TWICE)
        if self._presence.now.state == "loading":
            os._exit(0)  # nothing is in hand yet
        last_resort = threading.Timer(self._timing.last_resort, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()
        self._stopped.set()
