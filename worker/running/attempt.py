"""One attempt at one job: decodes its recording, window by window, and keeps what it has in a checkpoint.

Transcription ─► checkpoint ─► progress, segments (events) ─► transcript.json
"""

from __future__ import annotations

import errno
import logging
import time
from dataclasses import asdict, dataclass

from engines.audio.recordings.recording import OpenRecording, read_here
from engines.audio.windows import PLAN
from engines.base import WINDOW_SECONDS
from engines.decoding.batcher import Batcher
from engines.decoding.speaker_tracking import SpeakerTracking, SpeakerWishes
from engines.decoding.transcriber import Progress, Transcription
from engines.errors import Canceled, EngineError
from engines.speakers.turns import SpeakerCount
from engines.transcript import Segment
from worker.models.diarizer import LoadedDiarizer
from worker.models.remedies import with_remedy
from worker.queue.job_queue import QUARANTINE, QueueName
from worker.queue.run_end import Lost, Requeue
from worker.running.checkpoint import JobCheckpoint
from worker.running.job_access import JUST_NOW, JobAccess
from worker.running.recording import LocalRecording
from worker.store.job_store import JobNotFound
from worker.store.records import JobError, JobRequest, Outcome, Priority, Waveform
from worker.telemetry import tracing
from worker.telemetry.instruments import AUDIO_SECONDS, QUEUE_WAIT, REALTIME_FACTOR, model_label

MAX_STRIKES = 3  # crashes in a row that brought no window, after which a job is given up …
MAX_DEATHS = 10  # … or so many ends of its worker, of which nobody saw how they came: losses of power, say
STORE_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """The operator's share in how recordings are decoded. max_seconds: of audio. context: see Transcription."""

    beam_size: int
    max_seconds: float
    context: bool = False


@dataclass(frozen=True, slots=True)
class Setback:
    """The attempt broke off, and it is not known to be the recording's fault. cause: what its end would say if this was
    its last try. has_progressed: whether a window was kept that no earlier attempt had."""

    cause: JobError
    started_at: float
    attempts: int
    has_progressed: bool


class Attempt:
    """`run` is called once, by a slot; `cancel`, `lose` and `hand_back` from any thread.

    queue: the slot's own. model: the one whose batcher this is. diarizer: if the request wants speakers told apart.
    Raises JobNotFound if the job is deleted.
    """

    def __init__(
        self,
        jobs: JobAccess,
        request: JobRequest,
        recording: LocalRecording,
        queue: QueueName,
        model: str,
        batcher: Batcher,
        limits: DecodingLimits,
        diarizer: LoadedDiarizer | None = None,
        open_recording: OpenRecording = read_here,
    ) -> None:
        self.request = request
        self.model = model
        self._jobs = jobs
        self._queue = queue
        # As earlier versions wrote the plan, so that their checkpoints stay good: its options had these two as well.
        options = {**asdict(request.options), "beam_size": limits.beam_size, "full_padding": False}
        for name in ("logprobs", "only_language"):  # which they did not know
            if not options[name]:
                del options[name]
        engine = batcher.engine
        self._engine, self._began = engine.name, 0.0
        plan = {"windows": PLAN, "engine": engine.name, "model": engine.model, "context": limits.context}
        if diarizer:
            plan["speakers"] = diarizer.diarizer.name
        # The networks that tell speakers apart hear 30 s in pieces of the length they were trained on.
        length = WINDOW_SECONDS if diarizer else engine.window_seconds
        self._checkpoint = JobCheckpoint(jobs.store, request.id, {**plan, "options": options}, length)
        self._transcription = Transcription(
            batcher,
            recording.path,
            request.options,
            queue if queue == "interactive" or queue == "batch" else request.priority,
            limits.max_seconds,
            self._checkpoint,
            context=limits.context,
            speakers=self._speakers(diarizer, recording),
            window_seconds=self._checkpoint.window_seconds,
            open_recording=open_recording,
        )
        self._started_at = jobs.began_at(request.id)
        self._segments: list[Segment] = []  # so far
        self._handed_back = ""  # why, once it is
        self._is_lost = False

    @property
    def job_id(self) -> str:
        return self.request.id

    @property
    def is_handed_back(self) -> bool:
        return bool(self._handed_back)

    @property
    def has_paid_off(self) -> bool:
        """See JobCheckpoint: whether it may be sent away without doing the same over and over."""
        return self._checkpoint.has_paid_off

    def run(self) -> Outcome | Requeue | Lost | Setback:
        """What the attempt comes to, as far as it is for this one to say. Raises OSError if the store failed."""
        try:
            result = self._run()
        finally:
            self.leave()
        return result if isinstance(result, Requeue | Lost) else self._loss() or result

    def cancel(self) -> None:
        """Frees the model within one window."""
        self._transcription.cancel()

    def lose(self) -> None:
        """Another worker was given the job."""
        self._is_lost = True
        self._transcription.cancel()

    def hand_back(self, why: str, patience: float) -> None:
        """Ends the attempt once the windows in hand are decoded, and the job goes on from its queue. Once is enough.
        patience: seconds these windows may take."""
        if self._handed_back:
            return
        self._handed_back = why
        self._transcription.hand_back(patience)

    def note_crash(self) -> None:
        """The worker is about to die of its own, maybe for this recording."""
        try:
            self._jobs.store.note_crash(self.job_id)
        except (OSError, JobNotFound) as error:
            log.warning("The crash of %s could not be noted: %s", self.job_id, error)

    def leave(self) -> None:
        """Ends the attempt in good order in the eyes of the next one. May be called twice."""
        self._checkpoint.end()

    def _speakers(self, loaded: LoadedDiarizer | None, recording: LocalRecording) -> SpeakerTracking | None:
        asked = self.request.diarization
        if loaded is None or asked is None:
            return None
        count = SpeakerCount(asked.num_speakers, asked.min_speakers, asked.max_speakers)
        return SpeakerTracking(loaded.diarizer, loaded.threads, SpeakerWishes(count, recording.known), self._checkpoint)

    def _run(self) -> Outcome | Requeue | Lost | Setback:
        history = self._checkpoint.history
        if history.strikes >= MAX_STRIKES or history.barren >= MAX_DEATHS:
            return self._given_up()
        try:
            return self._begin() or self._transcribe()
        except Canceled:
            return self._called_off()
        except EngineError as error:
            cause = JobError(error.code, with_remedy(error))
            log.warning("Job %s: %s: %s", self.job_id, error.code, cause.message)
            return self._failed(cause) if error.is_final else self._set_back(cause)
        except Exception as error:
            if self._jobs.is_over(self.job_id):  # deleted under our hands
                return self._canceled()
            if isinstance(error, OSError) and error.errno in STORE_FAILED:
                raise
            log.exception("An attempt at job %s failed unexpectedly", self.job_id)
            message = f"The server could not transcribe the recording ({type(error).__name__}); its log says more."
            return self._set_back(JobError("server_error", message))

    def _begin(self) -> Outcome | Requeue | None:
        before = self._checkpoint.engine_before
        if before and before != self._engine and (need := self._jobs.engine_to_wait_for(self.request, before)):
            return Requeue(f"It goes on with {before}, which began it.", need=need)
        if self._checkpoint.history.is_suspect and self._queue != QUARANTINE:
            return Requeue("It was running as its worker ended: it is tried alone.", QUARANTINE, at_front=False)
        if self._jobs.is_over(self.job_id):  # ended after the first look, before a cancel could find it running
            return self._canceled()
        if self._checkpoint.is_first:
            waited = max(0.0, self._jobs.clock.now() - self.request.created_at)
            QUEUE_WAIT.labels(self.request.priority).observe(waited)
            request = self.request
            tracing.note_past("queued", request.traceparent, request.created_at, whisper__job__id=request.id)
        self._began = time.monotonic()
        self._checkpoint.begin()
        log.info("Job %s begins with %s, attempt %d", self.job_id, self.model, self._number)
        self._jobs.tell_started(self.job_id, self._started_at, self.model, self._number)
        return None

    def _transcribe(self) -> Outcome | Requeue | Lost:
        """Puts the transcript into the store, unless the attempt ends before."""
        for progress in self._transcription:
            self._segments += progress.segments
            if self._jobs.seems_over(self.job_id):  # ended as we took it, or while Redis could not tell us
                return self._canceled()
            if lost := self._loss():  # before others hear of it from two
                return lost
            self._jobs.tell_progress(self.job_id, progress, self._segments)
            if end := self._demotion() or self._end_of_quarantine(progress):
                return end
        transcript = self._transcription.transcript()
        if lost := self._loss():
            return lost
        if self._jobs.seems_over(self.job_id, JUST_NOW):
            return self._canceled()
        if self.request.kind == "job" and (peaks := self._transcription.peaks):  # nobody plays the others
            self._jobs.store.save_waveform(self.job_id, Waveform(transcript.duration, peaks))
        transcript = self._jobs.store.save_transcript(self.job_id, transcript)
        self._measure(transcript.duration)
        return Outcome(
            "finished",
            started_at=self._started_at,
            duration=transcript.duration,
            warnings=transcript.warnings,
            attempts=self._number,
            track=self._transcription.track,
            language=transcript.known_language,
            speakers=transcript.speakers,
        )

    def _measure(self, seconds: float) -> None:
        """seconds: of audio."""
        took = time.monotonic() - self._began
        log.info("Job %s is transcribed: %.1f s of audio in %.1f s", self.job_id, seconds, took)
        AUDIO_SECONDS.labels(self._engine, model_label(self.model)).inc(seconds)
        if self._checkpoint.is_first:
            REALTIME_FACTOR.observe(seconds / max(took, 1e-3))

    def _loss(self) -> Lost | None:
        if self._is_lost or self._checkpoint.is_overtaken:
            return Lost(f"Another worker goes on with {self.job_id}.")
        return None

    def _demotion(self) -> Requeue | None:
        """A long recording leaves its interactive slot to whoever waits for one. While nobody does, it keeps it, and
        is batch work for the model all the same."""
        if self._queue != "interactive" or not self._transcription.is_demoted or not self._jobs.does_interactive_wait():
            return None
        log.info("Job %s turned out to be long: it goes on in the batch queue", self.job_id)
        return Requeue("The recording is long: it goes on in the batch queue.", "batch")

    def _end_of_quarantine(self, progress: Progress) -> Requeue | None:
        if self._queue != QUARANTINE or not self._checkpoint.has_progressed or progress.processed >= progress.total:
            return None
        home: Priority = "batch" if self._transcription.is_demoted else self.request.priority
        return Requeue("It got further than the crash: it goes on beside the others.", home)

    def _called_off(self) -> Outcome | Requeue | Lost:
        if self._jobs.is_over(self.job_id):
            return self._canceled()
        if lost := self._loss():
            return lost
        return Requeue(self._handed_back) if self._handed_back else self._canceled()

    def _canceled(self) -> Outcome:
        return Outcome("canceled", started_at=self._started_at)

    def _failed(self, error: JobError) -> Outcome:
        return Outcome("failed", started_at=self._started_at, error=error, attempts=self._number)

    def _set_back(self, cause: JobError) -> Setback:
        return Setback(cause, self._started_at, self._number, self._checkpoint.has_kept)

    @property
    def _number(self) -> int:
        """How many attempts there were, this one among them, that a crash or the end of the job ended."""
        return self._checkpoint.history.deaths + 1

    def _given_up(self) -> Outcome:
        history = self._checkpoint.history
        log.error("Job %s ended its worker %d times in a row: it is given up", self.job_id, history.barren)
        message = (
            f"The recording ended its worker {history.barren} times without getting further, so it was given up. "
            "Convert it to WAV or FLAC and send it again; if that fails too, the server's log says more."
        )
        error = JobError("worker_crashed", message)
        return Outcome("failed", started_at=self._started_at, error=error, attempts=history.deaths)
