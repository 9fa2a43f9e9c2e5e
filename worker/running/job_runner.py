"""Runs one job: from its id to a transcript and an outcome in the store.

id ─► store.request ─► Transcription ─► checkpoint ─► progress, segments (events) ─► transcript.json ─► outcome.json
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from redis.exceptions import RedisError

from engines.audio.windows import PLAN
from engines.decoding.batcher import Batcher
from engines.decoding.transcriber import Progress, Transcription
from engines.errors import Canceled, EngineError, ModelNotFound
from engines.transcript import Segment, TranscriptWarning
from worker.models.names import ModelNames
from worker.models.pool import ModelPool
from worker.models.remedies import with_remedy
from worker.queue.events import Events
from worker.queue.job_queue import QUARANTINE, JobQueue, QueueName
from worker.queue.run_endings import JobCanceled, JobEnded, LeaseLost, Requeued
from worker.running.checkpoint import JobCheckpoint
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, JobStore, RecordBroken
from worker.store.records import JobError, JobRequest, Outcome, Priority

MAX_STRIKES = 3  # crashes in a row that brought no window, after which a job is given up
STORE_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    request: JobRequest
    queue: QueueName
    model: str
    checkpoint: JobCheckpoint
    transcription: Transcription
    started_at: float
    segments: list[Segment] = field(default_factory=list)  # so far
    handed_back: str = ""  # why, where it is
    is_lost: bool = False

    @property
    def home(self) -> Priority:
        """The queue the job belongs to by now."""
        return "batch" if self.transcription.is_demoted else self.request.priority


class JobRunner:
    """What every slot of a worker process calls with a job's id."""

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        events: Events,
        names: ModelNames,
        models: ModelPool,
        *,
        beam_size: int,
        max_seconds: float,
        context: bool = False,
        drop_audio: bool = False,
        timing: Timing = Timing(),
    ) -> None:
        self._store = store
        self._queue = queue
        self._events = events
        self._names = names
        self._models = models
        self._beam_size = beam_size
        self._max_seconds = max_seconds
        self._context = context
        self._drop_audio = drop_audio
        self._timing = timing
        self._running: dict[str, _Run] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._alone: str | None = None  # the job that is tried alone

    def run(self, job_id: str, queue: QueueName) -> dict[str, str]:
        """Returns what RQ keeps. Raises JobEnded if the outcome is no transcript, Requeued where the job goes on
        elsewhere, LeaseLost where another worker has it, OSError where the store failed. queue: the slot's own.

        A job that has its outcome already, is gone from the store or cannot be read is left alone: a requeue from the
        dashboard and a doubled queue entry are harmless, and maintenance queues it again if it can be read.
        """
        try:
            return self._run_known(job_id, queue)
        except RecordBroken as error:
            log.error("Job %s is left alone: %s", job_id, error)
            return {"state": "unreadable"}

    def _run_known(self, job_id: str, queue: QueueName) -> dict[str, str]:
        try:
            if ended := self._store.outcome(job_id):
                # whoever was first may have died before it could tidy up and tell
                self._store.drop_checkpoints(job_id)
                self._tell(lambda: self._events.state(job_id, ended.state))
                return {"state": ended.state}
            request = self._store.request(job_id)
        except JobNotFound:
            return {"state": "deleted"}
        try:
            model = self._model_of(request)
            batcher = self._models.take(model, lambda: self._check_wanted(job_id))
        except Canceled:
            return self._end(job_id, Outcome("canceled"))
        except EngineError as error:
            failed = JobError(error.code, with_remedy(error))
            log.error("Job %s wants the model %s, which cannot be loaded: %s", job_id, request.model, failed.message)
            return self._end(job_id, Outcome("failed", error=failed))
        try:
            return self._run(request, queue, model, batcher)
        finally:
            self._models.release(model)

    def _run(self, request: JobRequest, queue: QueueName, model: str, batcher: Batcher) -> dict[str, str]:
        try:
            run = self._prepared(request, queue, model, batcher)
        except JobNotFound:  # deleted while its model was loaded
            return {"state": "deleted"}
        if not self._enter(run):
            return {"state": "started"}  # here already, from another entry of the queue
        try:
            outcome = self._outcome(run)
        finally:
            self._leave(run)
        self._check_lease(run)
        return self._end(request.id, outcome)

    def after(self, job_id: str) -> None:
        """Called when RQ has written all it writes of a run: removes what a job that was deleted while it ran has told
        Redis since."""
        if not self._store.has(job_id):
            self._queue.forget(job_id)
            self._events.forget(job_id)

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

    def lose(self, job_id: str) -> None:
        """Stops work on a job that another worker was given."""
        with self._lock:
            run = self._running.get(job_id)
        if run:
            run.is_lost = True
            run.transcription.cancel()

    def hand_back_others(self, job_id: str) -> None:
        """Hands all jobs back but this one, which is to be tried alone, until `end_alone`."""
        self._alone = job_id
        self._hand_back("The model is wanted for one recording alone.", but=job_id)

    def end_alone(self) -> None:
        """Lets other jobs begin again."""
        self._alone = None

    def make_room(self, model: str) -> None:
        """Hands the jobs of a model back: another is wanted in its place. A long recording is read again up to where
        it was, in each of its turns; a job goes only when that has paid off, or two such jobs would never end."""
        self._hand_back("Another model is wanted.", model=model)

    def stop(self) -> None:
        """Hands all running jobs back, and takes no more."""
        with self._lock:
            self._stopping = True
        self._hand_back("The worker is stopping.")

    def leave_all(self) -> None:
        """Ends in good order what did not end by itself, before the process is ended."""
        with self._lock:
            running = list(self._running.values())
        for run in running:
            run.checkpoint.end()

    def _hand_back(self, why: str, but: str = "", model: str | None = None) -> None:
        with self._lock:
            runs = [run for job_id, run in self._running.items() if job_id != but and not run.handed_back]
            if model is not None:
                runs = [run for run in runs if run.model == model and run.checkpoint.has_paid_off]
            for run in runs:
                run.handed_back = why
        for run in runs:
            run.transcription.hand_back(self._timing.hand_back)

    def _enter(self, run: _Run) -> bool:
        self._check_place(run.request.id)
        with self._lock:
            if run.request.id in self._running:
                return False
            self._running[run.request.id] = run
            return True

    def _leave(self, run: _Run) -> None:
        run.checkpoint.end()
        with self._lock:
            del self._running[run.request.id]

    def _model_of(self, request: JobRequest) -> str:
        if model := self._names.meaning(request.model):
            return model
        raise ModelNotFound(f"The model '{request.model}' is not served here any more. Add it to WHISPER_MODELS.")

    def _check_wanted(self, job_id: str) -> None:
        """Ends the waiting of a job for its model, where need be."""
        self._check_place(job_id)
        if self._is_over(job_id):
            raise Canceled()

    def _check_place(self, job_id: str) -> None:
        if self._stopping:
            raise Requeued("The worker is stopping.")
        if self._alone not in (None, job_id):
            raise Requeued("The model is wanted for one recording alone.")

    def _prepared(self, request: JobRequest, queue: QueueName, model: str, batcher: Batcher) -> _Run:
        engine = batcher.engine
        # As earlier versions wrote the plan, so that their checkpoints stay good: its options had these two as well.
        options = {**asdict(request.options), "beam_size": self._beam_size, "full_padding": False}
        plan = {"windows": PLAN, "engine": engine.name, "model": engine.model, "context": self._context}
        checkpoint = JobCheckpoint(self._store, request.id, {**plan, "options": options})
        transcription = Transcription(
            batcher,
            self._store.source(request.id),
            request.options,
            request.priority if queue == QUARANTINE else queue,
            self._max_seconds,
            checkpoint,
            context=self._context,
        )
        return _Run(request, queue, model, checkpoint, transcription, self._began_at(request.id))

    def _began_at(self, job_id: str) -> float:
        """When the job's first attempt began, in unix seconds."""
        try:
            return self._events.status(job_id).get("started_at") or time.time()
        except RedisError:
            return time.time()

    def _outcome(self, run: _Run) -> Outcome:
        """What the run comes to, as far as it is for this run to say."""
        started_at, attempts = run.started_at, run.checkpoint.history.crashes + 1
        if run.checkpoint.history.strikes >= MAX_STRIKES:
            return _given_up(run)
        try:
            self._begin(run)
            duration, warnings = self._transcribe(run)
            return Outcome("finished", started_at=started_at, duration=duration, warnings=warnings, attempts=attempts)
        except Canceled:
            return self._called_off(run)
        except EngineError as error:
            failed = JobError(error.code, with_remedy(error))
            log.warning("Job %s failed: %s: %s", run.request.id, error.code, failed.message)
            return Outcome("failed", started_at=started_at, error=failed, attempts=attempts)
        except (Requeued, LeaseLost):
            raise
        except Exception as error:
            if self._is_over(run.request.id):  # deleted under our hands
                return Outcome("canceled", started_at=started_at)
            if isinstance(error, OSError) and error.errno in STORE_FAILED:
                raise
            log.exception("Job %s failed unexpectedly", run.request.id)
            message = f"The server could not transcribe the recording ({type(error).__name__}); its log says more."
            failed = JobError("server_error", message)
            return Outcome("failed", started_at=started_at, error=failed, attempts=attempts)

    def _begin(self, run: _Run) -> None:
        if run.checkpoint.history.is_suspect and run.queue != QUARANTINE:
            raise Requeued("It was running as its worker ended: it is tried alone.", QUARANTINE, at_front=False)
        if self._is_over(run.request.id):  # ended after the first look, before a cancel could find it running
            raise Canceled()
        run.checkpoint.begin()
        self._tell(lambda: self._events.started(run.request.id, run.started_at))

    def _transcribe(self, run: _Run) -> tuple[float, tuple[TranscriptWarning, ...]]:
        """Returns the seconds of audio and the warnings, once the transcript is in the store."""
        job_id = run.request.id
        for progress in run.transcription:
            self._report(run, progress)
            if self._is_over(job_id):  # ended as we took it, or while Redis could not tell us
                raise Canceled()
            self._check_lease(run)
            self._demote(run)
            if run.queue == QUARANTINE and run.checkpoint.has_progressed and progress.processed < progress.total:
                raise Requeued("It got further than the crash: it goes on beside the others.", run.home)
        transcript = run.transcription.transcript()
        self._check_lease(run)
        self._store.save_transcript(job_id, transcript)
        return transcript.duration, transcript.warnings

    def _check_lease(self, run: _Run) -> None:
        if run.is_lost or run.checkpoint.is_overtaken:
            raise LeaseLost(f"Another worker goes on with {run.request.id}.")

    def _called_off(self, run: _Run) -> Outcome:
        if self._is_over(run.request.id):
            return Outcome("canceled", started_at=run.started_at)
        self._check_lease(run)
        if run.handed_back:
            raise Requeued(run.handed_back)
        return Outcome("canceled", started_at=run.started_at)

    def _end(self, job_id: str, outcome: Outcome) -> dict[str, str]:
        if not self._store.finish(job_id, outcome):
            outcome = self._ended_elsewhere(job_id)
        self._store.drop_checkpoints(job_id)
        if self._drop_audio:
            self._store.drop_source(job_id)
        self._tell(lambda: self._events.state(job_id, outcome.state))
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
            return not self._store.has(job_id) or self._store.outcome(job_id) is not None
        except RecordBroken:
            return True  # a newer version's outcome, or a damaged one: either way there is one

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
        log.info("Job %s turned out to be long: it goes on in the batch queue", run.request.id)
        raise Requeued("The recording is long: it goes on in the batch queue.", "batch")

    def _report(self, run: _Run, progress: Progress) -> None:
        run.segments += progress.segments
        self._tell(lambda: self._events.window(run.request.id, progress.processed, progress.total, run.segments))

    def _tell(self, tell: Callable[[], None]) -> None:
        """Live news is worth having, but a job goes on without Redis."""
        try:
            tell()
        except RedisError as error:
            log.warning("Redis did not take an event: %s", error)


def _given_up(run: _Run) -> Outcome:
    history = run.checkpoint.history
    log.error("Job %s ended its worker %d times in a row: it is given up", run.request.id, history.strikes)
    message = (
        f"The recording ended its worker {history.strikes} times without getting further, so it was given up. "
        "Convert it to WAV or FLAC and send it again; where that fails too, the server's log says more."
    )
    error = JobError("worker_crashed", message)
    return Outcome("failed", started_at=run.started_at, error=error, attempts=history.crashes)
