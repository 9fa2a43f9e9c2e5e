"""Runs one job: from its id to a transcript and an outcome in the store.

id ─► store.request ─► Transcription ─► checkpoint ─► progress, segments (events) ─► transcript.json ─► outcome.json
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from redis.exceptions import RedisError

from engines.batcher import Batcher
from engines.errors import Canceled, EngineError
from engines.transcriber import Progress, Transcription
from engines.windows import PLAN
from worker.checkpoint import JobCheckpoint
from worker.events import Events
from worker.jobs import JobError, JobRequest, Outcome, Priority
from worker.queue import JobQueue
from worker.store import JobNotFound, JobStore

log = logging.getLogger(__name__)


class JobEnded(Exception):
    """The job has its outcome and it is not a transcript. RQ shows the message; there is nothing to retry."""


class JobCanceled(JobEnded):
    """The job was canceled."""


class Demoted(JobEnded):
    """The job turned out to be long: it gives its interactive slot back and goes on in the batch queue."""


class HandBack(Exception):
    """The worker stops: the job goes back to its queue, and this attempt does not count."""


@dataclass(slots=True)
class _Run:
    request: JobRequest
    queue: Priority
    checkpoint: JobCheckpoint
    transcription: Transcription
    started_at: float


class JobRunner:
    """What every slot of a worker process calls with a job's id."""

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        events: Events,
        batcher: Batcher,
        *,
        beam_size: int,
        max_seconds: float,
        context: bool = False,
    ) -> None:
        self._store = store
        self._queue = queue
        self._events = events
        self._batcher = batcher
        self._beam_size = beam_size
        self._max_seconds = max_seconds
        self._context = context
        self._demoted: set[str] = set()  # jobs on their way to the batch queue
        self._running: dict[str, _Run] = {}
        self._lock = threading.Lock()
        self._stopping = False

    def run(self, job_id: str, queue: Priority) -> dict[str, str]:
        """Returns what RQ keeps. Raises JobEnded where the outcome is no transcript, HandBack on shutdown.
        queue: the one whose slot this is.

        A job that has its outcome already, or is gone from the store, is left alone: a requeue from the
        dashboard and a doubled queue entry are harmless.
        """
        try:
            if ended := self._store.outcome(job_id):
                # whoever was first may have died before it could tell
                self._tell(lambda: self._events.state(job_id, ended.state))
                return {"state": ended.state}
            request = self._store.request(job_id)
        except JobNotFound:
            return {"state": "deleted"}
        run = self._start(request, queue)
        if run is None:
            return {"state": "started"}  # here already, from another entry of the queue
        try:
            outcome = self._transcribe(run)
        finally:
            run.checkpoint.close()
            with self._lock:
                del self._running[job_id]
        return self._end(request, outcome)

    def after(self, job_id: str) -> None:
        """Called when RQ has written all it writes of a run: moves a demoted job to its new queue, and removes what a
        job that was deleted while it ran has told Redis since."""
        try:
            request = self._store.request(job_id)
        except JobNotFound:
            self._queue.forget(job_id)
            self._events.forget(job_id)
            return
        with self._lock:
            is_demoted = job_id in self._demoted
            self._demoted.discard(job_id)
        if is_demoted:
            self._queue.move_to_batch(request)

    def cancel(self, job_id: str) -> None:
        """Frees the model within one window; does nothing for a job that is not running here."""
        with self._lock:
            run = self._running.get(job_id)
        if run:
            run.transcription.cancel()

    def cancel_ended(self) -> None:
        """Stops work on jobs that were ended elsewhere while nobody told us."""
        with self._lock:
            running = list(self._running)
        for job_id in running:
            if self._is_over(job_id):
                self.cancel(job_id)

    def stop(self) -> None:
        """Hands all running jobs back."""
        with self._lock:
            self._stopping = True
            running = list(self._running.values())
        for run in running:
            run.transcription.cancel()

    def _start(self, request: JobRequest, queue: Priority) -> _Run | None:
        run = self._prepared(request, queue)
        with self._lock:
            if self._stopping:
                raise HandBack("The worker is stopping.")
            if request.id in self._running:
                return None
            self._running[request.id] = run
        self._tell(lambda: self._events.started(request.id, run.started_at))
        return run

    def _prepared(self, request: JobRequest, queue: Priority) -> _Run:
        engine = self._batcher.engine
        options = replace(request.options, beam_size=self._beam_size)
        plan = {"windows": PLAN, "engine": engine.name, "model": engine.model, "context": self._context}
        checkpoint = JobCheckpoint(self._store, request.id, {**plan, "options": asdict(options)})
        transcription = Transcription(
            self._batcher,
            self._store.source(request.id),
            options,
            queue,
            self._max_seconds,
            checkpoint,
            context=self._context,
        )
        return _Run(request, queue, checkpoint, transcription, self._began_at(request.id))

    def _began_at(self, job_id: str) -> float:
        """When the job's first attempt began, in unix seconds."""
        try:
            return self._events.status(job_id).get("started_at") or time.time()
        except RedisError:
            return time.time()

    def _transcribe(self, run: _Run) -> Outcome:
        job_id = run.request.id
        try:
            for progress in run.transcription:
                self._report(job_id, progress)
                if self._is_over(job_id):  # ended as we took it, or while Redis could not tell us
                    raise Canceled()
                self._demote(run)
            transcript = run.transcription.transcript()
            self._store.save_transcript(job_id, transcript)
            warnings = tuple(asdict(warning) for warning in transcript.warnings)
            return Outcome("finished", started_at=run.started_at, duration=transcript.duration, warnings=warnings)
        except Canceled:
            if self._stopping and not self._is_over(job_id):
                raise HandBack("The worker is stopping.") from None
            return Outcome("canceled", started_at=run.started_at)
        except Demoted:
            raise
        except EngineError as error:
            log.warning("Job %s failed: %s: %s", job_id, error.code, error)
            return Outcome("failed", started_at=run.started_at, error=JobError(error.code, str(error)))
        except Exception as error:
            if self._is_over(job_id):  # deleted under our hands
                return Outcome("canceled", started_at=run.started_at)
            log.exception("Job %s failed unexpectedly", job_id)
            message = f"The server could not transcribe the recording ({type(error).__name__}); its log says more."
            return Outcome("failed", started_at=run.started_at, error=JobError("server_error", message))

    def _end(self, request: JobRequest, outcome: Outcome) -> dict[str, str]:
        if not self._store.finish(request.id, outcome):
            outcome = self._ended_elsewhere(request.id)
        self._store.drop_checkpoints(request.id)
        self._tell(lambda: self._events.state(request.id, outcome.state))
        if outcome.state == "canceled":
            raise JobCanceled("The job was canceled.")
        if outcome.error:
            raise JobEnded(f"{outcome.error.code}: {outcome.error.message}")
        return {"state": outcome.state}

    def _ended_elsewhere(self, job_id: str) -> Outcome:
        """The outcome that was first; a deleted job counts as canceled."""
        return self._store.outcome(job_id) or Outcome("canceled")

    def _is_over(self, job_id: str) -> bool:
        try:
            self._store.request(job_id)
        except JobNotFound:
            return True
        return self._store.outcome(job_id) is not None

    def _demote(self, run: _Run) -> None:
        """A long recording leaves its interactive slot to whoever waits for one. While nobody does, it keeps it, and
        is batch work for the model all the same."""
        if run.queue != "interactive" or not run.transcription.is_demoted:
            return
        try:
            if not self._queue.waits("interactive"):
                return
        except RedisError:
            return
        with self._lock:
            self._demoted.add(run.request.id)
        log.info("Job %s turned out to be long: it goes on in the batch queue", run.request.id)
        raise Demoted("The recording is long: it goes on in the batch queue.")

    def _report(self, job_id: str, progress: Progress) -> None:
        self._tell(lambda: self._events.window(job_id, progress.processed, progress.total, progress.segments))

    def _tell(self, tell: Callable[[], None]) -> None:
        """Live news is worth having, but a job goes on without Redis."""
        try:
            tell()
        except RedisError as error:
            log.warning("Redis did not take an event: %s", error)
