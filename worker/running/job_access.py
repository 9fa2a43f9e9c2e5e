"""What a run reads and writes of its job: in the store, which has the truth, and in Redis, without which it goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from redis.exceptions import RedisError

from engines.decoding.transcriber import Progress
from engines.transcript import Segment
from worker.fleet.clock import Clock
from worker.fleet.identity import process_name
from worker.fleet.needs import Need
from worker.jobs.job_view import job_urls
from worker.queue.events import Events
from worker.queue.heartbeat import Taker, Takers
from worker.queue.job_queue import JobQueue
from worker.queue.queued_job import how_far
from worker.store.job_store import JobStore
from worker.store.records import JobRequest, Outcome, upload_began_at
from worker.telemetry.instruments import count_end
from worker.telemetry.vitals import ANY_NAME

ROUGHLY = 5.0  # seconds
JUST_NOW = 1.0

log = logging.getLogger(__name__)


class JobAccess:
    """drop_audio: whether recordings are deleted as their jobs end. other_stores: where those lie that are served on
    the same Redis by mistake. takers: the workers that take work; None for nobody."""

    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        events: Events,
        *,
        drop_audio: bool = False,
        other_stores: Callable[[], Sequence[str]] = tuple,
        clock: Clock = Clock(),
        takers: Takers | None = None,
    ) -> None:
        self.store = store
        self._queue = queue
        self._events = events
        self._drop_audio = drop_audio
        self.other_stores = other_stores
        self.clock = clock
        self._takers = takers

    def serving(self, model: str) -> list[Taker]:
        """Other workers that serve the model, as far as is known; those first that know its name."""
        try:
            found = self._takers.serving(model) if self._takers else []
        except RedisError:
            return []
        others = [each for each in found if each.name != process_name()]
        return sorted(others, key=lambda each: each.vitals.name_of(model) == ANY_NAME)

    def engine_to_wait_for(self, request: JobRequest, engine: str) -> Need | None:
        """What the job is to wait for that this engine began, on another worker; None if it may go on here, as it may
        after a minute. One of an earlier version is not waited for."""
        model = None if request.is_default_model else request.model
        try:
            takers = self._takers.all() if self._takers else []
            needs = [Need(need.model, engine) for each in takers if (need := each.need_for(model))]
            need = next((need for need in needs if any(each.meets(need) for each in takers)), None)
            return need if need and self._queue.engine_wait.goes_on(request.id) else None
        except RedisError:
            return None

    def has_begun(self, job_id: str) -> bool:
        """Whether an attempt has begun, as far as is known."""
        try:
            return "started_at" in self._events.status(job_id)
        except RedisError:
            return False

    def is_over(self, job_id: str) -> bool:
        """Whether the job has its outcome, or is gone."""
        return self.store.is_over(job_id)

    def seems_over(self, job_id: str, within: float = ROUGHLY) -> bool:
        """As `is_over`, for whoever asks again and again and is also told of a cancel. within: see JobStore."""
        return self.store.is_over(job_id, within)

    def finish(self, job_id: str, outcome: Outcome) -> Outcome:
        """Gives the job its outcome and tells of it. Returns the one that was first; a deleted job counts as
        canceled."""
        outcome = replace(outcome, ended_at=self.clock.now())
        if self.store.finish(job_id, outcome):
            seconds = outcome.ended_at - upload_began_at(job_id)
            count_end(seconds, outcome.state, outcome.error.code if outcome.error else "")
        else:
            outcome = self.store.outcome(job_id) or Outcome("canceled")
        if self._drop_audio:
            self.store.drop_source(job_id)
        self.tidy_up(job_id, outcome)
        _tell(lambda: self._queue.describe(job_id, _facts(job_id, outcome)))
        return outcome

    def tidy_up(self, job_id: str, outcome: Outcome) -> None:
        """What follows from an outcome; done again, as whoever wrote it may have died before it came to this."""
        self.store.drop_checkpoints(job_id)
        _tell(lambda: self._events.state(job_id, outcome.state))

    def forget_deleted(self, job_id: str) -> None:
        """Removes what a job that was deleted while it ran has told Redis and the store since; in Redis another store's
        may be."""
        if self.store.has(job_id):
            return
        self.store.drop_left(job_id)
        if not self.other_stores():
            self._queue.forget(job_id)
            self._events.forget(job_id)

    def began_at(self, job_id: str) -> float:
        """When the job's first attempt began, in unix seconds."""
        try:
            return self._events.status(job_id).get("started_at") or self.clock.now()
        except RedisError:
            return self.clock.now()

    def tell_started(self, job_id: str, at: float, model: str, attempt: int) -> None:
        """at: unix seconds of the first attempt. attempt: the number of this one."""
        _tell(lambda: self._events.started(job_id, at))
        _tell(lambda: self._queue.describe(job_id, {"model": model, "attempts": attempt}))

    def tell_progress(self, job_id: str, progress: Progress, segments: Sequence[Segment]) -> None:
        """segments: all there are so far."""
        _tell(lambda: self._events.window(job_id, progress.processed, progress.total, segments))
        if progress.processed < progress.total:  # else its end is about to be told, and how far it is with it
            _tell(lambda: self._queue.describe(job_id, how_far(progress.processed, progress.total)))

    def does_interactive_wait(self) -> bool:
        """Whether a client's job waits for an interactive slot, as far as is known."""
        try:
            return self._queue.waits("interactive")
        except RedisError:
            return False


def _facts(job_id: str, outcome: Outcome) -> dict[str, Any]:
    facts: dict[str, Any] = {"attempts": outcome.attempts} if outcome.state != "canceled" else {}
    if outcome.state == "finished":
        facts |= how_far(outcome.duration or 0.0, outcome.duration or 0.0)
        facts |= {"progress": 1.0, "transcript": job_urls(job_id)["transcript"]}
    return facts


def _tell(tell: Callable[[], None]) -> None:
    """Live news is worth having, but a job goes on without Redis."""
    try:
        tell()
    except RedisError as error:
        log.warning("Redis did not take an event: %s", error)
