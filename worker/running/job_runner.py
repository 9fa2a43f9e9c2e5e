"""Runs one job: from its id to a transcript and an outcome in the store.

id ─► store.request ─► its recording, if it is to be fetched ─► back to its queue
                    └► its model ─► Attempt ─► outcome.json, and the end that RQ is told of
                         └──────────┴─────► trouble that is not the job's: retry.json, and another try later
"""

from __future__ import annotations

import logging

from engines.audio.recordings.recording import OpenRecording, read_here
from engines.decoding.batcher import Batcher
from engines.errors import Canceled, EngineError, ModelNotFound
from engines.speakers.diarizer import SpeakerOptions
from worker.models.diarizer import LoadedDiarizer, SharedDiarizer
from worker.models.names import ModelNames
from worker.models.pool import ModelPool
from worker.models.remedies import with_remedy
from worker.outbound.download import SourceRefused
from worker.queue import run_end
from worker.queue.job_queue import FETCH, QueueName
from worker.queue.run_end import End, Failed, Finished, Lost, Requeue, Skipped
from worker.running.attempt import Attempt, DecodingLimits, Setback
from worker.running.fetching import Fetcher, FetchSetback
from worker.running.job_access import JobAccess
from worker.running.recording import LocalRecording, local_recording
from worker.running.retries import Patience, Retries
from worker.running.running_jobs import RunningJobs
from worker.runtime.timing import Timing
from worker.store.job_store import JobNotFound, RecordBroken
from worker.store.records import JobError, JobRequest, Outcome
from worker.telemetry import tracing
from worker.telemetry.instruments import model_label

_DELETED = run_end.Canceled("It was deleted.")

log = logging.getLogger(__name__)


class _Refused(Exception):
    """The job may not wait for its model any longer: it goes back."""

    def __init__(self, end: Requeue) -> None:
        super().__init__(end.why)
        self.end = end


class JobRunner:
    """What every slot of a worker process calls with a job's id. running: the jobs it has in hand. diarizer: for those
    that want speakers told apart. open_recording: how recordings are read."""

    def __init__(
        self,
        jobs: JobAccess,
        names: ModelNames,
        models: ModelPool,
        limits: DecodingLimits,
        fetcher: Fetcher,
        timing: Timing = Timing(),
        diarizer: SharedDiarizer | None = None,
        open_recording: OpenRecording = read_here,
    ) -> None:
        self.running = RunningJobs(timing)
        self._jobs = jobs
        self._names = names
        self._models = models
        self._limits = limits
        self._fetcher = fetcher
        self._open_recording = open_recording
        self._diarizer = diarizer or SharedDiarizer(SpeakerOptions())
        self._retries = Retries(jobs.store, timing, jobs.clock)

    def run(self, job_id: str, queue: QueueName) -> End:
        """How the run ends. Raises OSError if the store failed. queue: the slot's own.

        A job that has its outcome already, is gone from the store or cannot be read is left alone: a requeue from the
        dashboard and a doubled queue entry are harmless, and maintenance queues it again if it can be read.
        """
        try:
            return self._run(job_id, queue)
        except RecordBroken as error:
            log.error("Job %s is left alone: %s", job_id, error)
            return Skipped("unreadable")

    def _run(self, job_id: str, queue: QueueName) -> End:
        try:
            if ended := self._jobs.store.outcome(job_id):
                self._jobs.tidy_up(job_id, ended)
                return _end(ended)
            request = self._jobs.store.request(job_id)
        except JobNotFound:
            return self._without_record(job_id)
        if queue == FETCH or self._fetcher.has_to_fetch(request):
            return self._fetch(request, queue)
        model = self._model_of(request)
        if model is None:
            return self._hand_on(request)
        try:
            batcher = self._models.take(model, lambda: self._check_wanted(job_id))
        except _Refused as refused:
            return refused.end
        except Canceled:
            return self._finish(job_id, Outcome("canceled"))
        except EngineError as error:
            cause = JobError(error.code, with_remedy(error))
            log.error("Job %s wants the model %s, which cannot be loaded: %s", job_id, model, cause.message)
            return self._put_aside(job_id, Outcome("failed", error=cause), self._retries.passing)
        try:
            diarizer = self._diarizer.loaded() if request.diarization else None
            with local_recording(self._jobs.store, request) as recording:
                return self._attempt(request, recording, queue, model, batcher, diarizer)
        except FileNotFoundError:
            if self._jobs.is_over(job_id):  # deleted under our hands
                return Skipped("deleted")
            raise
        except EngineError as error:
            cause = JobError(error.code, with_remedy(error))
            log.error("Job %s wants its speakers, who cannot be told apart: %s", job_id, cause.message)
            return self._put_aside(job_id, Outcome("failed", error=cause), self._retries.passing)
        finally:
            self._models.release(model)

    def after(self, job_id: str) -> None:
        """Called when RQ has written all it writes of a run."""
        try:
            self._jobs.forget_deleted(job_id)
        except OSError as error:  # of a store that is away; what there may be is swept an hour later
            log.warning("What job %s may have left cannot be looked for: %s", job_id, error)

    def cancel(self, job_id: str) -> None:
        """Somebody canceled it; it may run again meanwhile, and the news be of the run before."""
        if self._jobs.is_over(job_id):
            self.running.cancel(job_id)

    def cancel_ended(self) -> None:
        """Stops work on jobs that were ended elsewhere while nobody told us."""
        self.running.cancel_if(self._jobs.is_over)

    def _attempt(
        self,
        request: JobRequest,
        recording: LocalRecording,
        queue: QueueName,
        model: str,
        batcher: Batcher,
        diarizer: LoadedDiarizer | None,
    ) -> End:
        try:
            attempt = Attempt(
                self._jobs,
                request,
                recording,
                queue,
                model,
                batcher,
                self._limits,
                diarizer,
                self._open_recording,
            )
        except JobNotFound:  # deleted while its model was loaded
            return _DELETED
        if refusal := self.running.enter(attempt):
            return refusal
        try:
            with tracing.span("transcribe", request.traceparent, "consumer", whisper__job__id=request.id) as traced:
                traced.note(
                    whisper__queue=queue, whisper__model=model_label(model), whisper__engine=batcher.engine.name
                )
                result = attempt.run()
                _trace_end(traced, result)
        finally:
            self.running.leave(attempt)
        if isinstance(result, Setback):
            last = Outcome("failed", started_at=result.started_at, error=result.cause, attempts=result.attempts)
            return self._put_aside(request.id, last, self._retries.passing, has_progressed=result.has_progressed)
        return self._finish(request.id, result) if isinstance(result, Outcome) else result

    def _fetch(self, request: JobRequest, queue: QueueName) -> End:
        job_id = request.id
        if queue != FETCH:
            return Requeue("Its recording is to be fetched.", FETCH, at_front=False)
        try:
            if self._fetcher.has_to_fetch(request):
                self._fetcher.fetch(request, lambda: self._check_fetch(job_id))
        except _Refused as refused:
            return refused.end
        except Canceled:
            return self._finish(job_id, Outcome("canceled"))
        except SourceRefused as error:
            return self._finish(job_id, Outcome("failed", error=JobError(error.code, str(error))))
        except FetchSetback as setback:
            patience = self._retries.no_room if setback.is_ours else self._retries.passing
            last = Outcome("failed", error=setback.cause)
            return self._put_aside(job_id, last, patience, has_progressed=setback.has_progressed)
        except FileNotFoundError:
            if self._jobs.is_over(job_id):  # deleted under our hands
                return _DELETED
            raise
        self._jobs.store.drop_checkpoints(job_id)  # what the trouble was that it had so far
        return Requeue("Its recording has come.", request.priority)

    def _check_fetch(self, job_id: str) -> None:
        if self.running.is_stopping:
            raise _Refused(Requeue("The worker is stopping."))
        if self._jobs.seems_over(job_id):
            raise Canceled()

    def _without_record(self, job_id: str) -> End:
        """Somebody deleted the job this moment, or its record is in another store. What is no success must not be
        listed as one."""
        if others := self._jobs.other_stores():
            log.warning("Job %s is handed back: its record may be in another store, %s", job_id, others[0])
            return self._retries.later(f"It has no record in this worker's store. Another is served here: {others[0]}.")
        log.warning("Job %s has no record in the store: it was deleted, or is another store's", job_id)
        return _DELETED

    def _hand_on(self, request: JobRequest) -> End:
        """This worker does not serve its model: the job joins the queue of those that do. If all of these are of an
        earlier version, which does not look there, it is put aside for a moment and lets those behind it pass."""
        takers = self._jobs.serving(request.model)
        if not takers:
            return self._put_aside(request.id, _unserved(request), self._retries.unserved)
        why = f"It waits for a worker that serves {request.model}, such as that on {takers[0].vitals.host}."
        needs = [each.need_for(request.model) for each in takers if each.vitals.is_routed]
        if not needs:
            return self._retries.soon(why)
        return Requeue(why, at_front=self._jobs.has_begun(request.id), need=needs[0])  # where it stood before

    def _put_aside(self, job_id: str, last: Outcome, patience: Patience, *, has_progressed: bool = False) -> End:
        """The job is tried again later, unless it has been for long enough. last: its outcome in that case."""
        assert last.error is not None
        if self._jobs.is_over(job_id):
            return self._finish(job_id, Outcome("canceled"))
        try:
            end = self._retries.put_aside(job_id, last.error, patience, has_progressed=has_progressed)
        except JobNotFound:
            return _DELETED
        if end is None:
            log.error("Job %s is given up after many tries: %s", job_id, last.error.message)
            return self._finish(job_id, last)
        log.warning("Job %s is put aside: %s", job_id, end.why)
        return end

    def _finish(self, job_id: str, outcome: Outcome) -> End:
        return _end(self._jobs.finish(job_id, outcome))

    def _model_of(self, request: JobRequest) -> str | None:
        """None for a model that is served no more."""
        return self._names.default if request.is_default_model else self._names.meaning(request.model)

    def _check_wanted(self, job_id: str) -> None:
        """Ends the waiting of a job for its model, if need be."""
        if refusal := self.running.refusal(job_id):
            raise _Refused(refusal)
        if self._jobs.seems_over(job_id):
            raise Canceled()


def _end(outcome: Outcome) -> End:
    if outcome.state == "finished":
        return Finished()
    if outcome.state == "canceled":
        return run_end.Canceled()
    return Failed(f"{outcome.error.code}: {outcome.error.message}" if outcome.error else "server_error")


def _trace_end(traced: tracing.Traced, result: Outcome | Requeue | Lost | Setback) -> None:
    error = result.cause if isinstance(result, Setback) else result.error if isinstance(result, Outcome) else None
    if error:
        traced.fail(error.code)
    traced.note(whisper__end=result.state if isinstance(result, Outcome) else type(result).__name__.lower())
    if isinstance(result, Outcome):
        traced.note(whisper__audio_seconds=result.duration)


def _unserved(request: JobRequest) -> Outcome:
    message = f"The model '{request.model}' is served by no worker that runs. Add it to WHISPER_MODELS of one."
    return Outcome("failed", error=JobError(ModelNotFound.code, message))
