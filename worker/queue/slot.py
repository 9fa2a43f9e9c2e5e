"""A slot takes one job at a time from one queue and runs it under a lease. With one queue, RQ moves a job to whoever
takes it in one step, and none is lost in a crash.

queue ─► on the way (intermediate queue) ─► run under a lease ─► its end in RQ, or another place in the queues
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import Protocol
from uuid import uuid4

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError, RedisError, TimeoutError
from rq import Queue
from rq.exceptions import DequeueTimeout
from rq.serializers import JSONSerializer
from rq.suspension import is_suspended
from rq.worker import WorkerStatus

from worker.fleet.clock import Clock
from worker.fleet.identity import process_name
from worker.fleet.needs import Need
from worker.queue.gate import Gate
from worker.queue.job_queue import FETCH, QUARANTINE, QUEUES, QueueName
from worker.queue.leases import Leases
from worker.queue.queued_job import QueuedJob, put_back
from worker.queue.run_end import Canceled, End, Failed, Lost, Postponed, Requeue
from worker.queue.run_record import RunRecord
from worker.queue.worker_record import WorkerRecord
from worker.runtime import logs
from worker.runtime.timing import Timing

RETRY_AFTER = 1.0  # seconds between two tries while Redis is away, or RQ's workers are suspended
FIRST_LOOK = 0.05  # seconds of the first wait for a job, which shows soon that the slot can wait for one
LISTED = 10  # seconds RQ still lists a slot longer than its lease, once nothing more is heard of it

log = logging.getLogger(__name__)


class Running(Protocol):
    """The jobs that run in this process. See worker.running.running_jobs."""

    def lose(self, job_id: str) -> None: ...
    def hand_back_others(self, job_id: str) -> None: ...
    def end_alone(self) -> None: ...


class Work(Protocol):
    """What slots do with a job's id. See JobRunner."""

    @property
    def running(self) -> Running: ...
    def run(self, job_id: str, queue: QueueName) -> End: ...
    def after(self, job_id: str) -> None: ...


class Slot:
    """`serve` takes and runs jobs until `stop`; `beat` and `give_back` are called from other threads.

    need: for a slot that takes from the queue of jobs which only some workers can do. Their leases are among those of
    `queue`, and if the worker dies they wait there again. on_begin: called as a job begins.
    """

    def __init__(
        self,
        queue: QueueName,
        redis: Redis,
        work: Work,
        gate: Gate,
        timing: Timing = Timing(),
        clock: Clock = Clock(),
        need: Need | None = None,
        on_begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = queue
        self._need, self._on_begin = need, on_begin
        self._redis = redis
        self._work = work
        self._gate = gate
        self._home = self._queue_named(queue)
        self._queue = self._queue_named(need.queue(queue)) if need else self._home
        self._leases, self._clock = Leases(redis, QUEUES, timing, clock), clock
        self._lease_ttl = math.ceil(timing.lease)  # RQ counts whole seconds
        self._look = math.ceil(timing.idle_look)
        self._again = timing.maintenance
        name = f"{queue}.{process_name()}.{uuid4().hex[:8]}"
        self._worker = WorkerRecord(name, self._queue, redis, self._lease_ttl + self._look + LISTED)
        self._stopping = threading.Event()
        self._current: RunRecord | None = None
        self.has_served = False  # whether it once looked for a job without an error
        self._hand = threading.RLock()  # a beat must not renew what is being let go of

    def _queue_named(self, name: str) -> Queue:
        return Queue(name, connection=self._redis, serializer=JSONSerializer, job_class=QueuedJob)

    @property
    def is_busy(self) -> bool:
        return self._current is not None

    def serve(self) -> None:
        """Waits for Redis while it is away. What a run leaves undone then is found by maintenance. Raises RedisError if
        it is there and refuses what a slot needs."""
        while not self._stopping.is_set():
            try:
                self._serve_next()
                self.has_served = True
            except (ConnectionError, TimeoutError) as error:
                log.warning("A slot of the queue %s waits for Redis: %s", self._name, error)
                self._stopping.wait(RETRY_AFTER)
        with contextlib.suppress(RedisError):
            self._worker.remove()

    def _serve_next(self) -> None:
        if is_suspended(self._redis):  # by `rq suspend`
            self._worker.keep(WorkerStatus.SUSPENDED)
            self._stopping.wait(RETRY_AFTER)
            return
        self._worker.keep(WorkerStatus.IDLE)
        job = self.take(self._look if self.has_served else FIRST_LOOK)
        self.has_served = True
        if job:
            self.run(job)

    def take(self, timeout: float | None = None) -> QueuedJob | None:
        """The next job, which stands in the intermediate queue from now on. timeout: seconds to wait for one."""
        try:
            taken = Queue.dequeue_any(
                [self._queue],
                timeout,  # type: ignore[arg-type]  # RQ hands it on to BLMOVE, which takes parts of a second
                self._redis,
                job_class=QueuedJob,
                serializer=JSONSerializer,
            )
        except DequeueTimeout:
            return None
        return taken[0] if taken else None  # type: ignore[return-value]  # RQ does not say that it is of our class

    def run(self, job: QueuedJob) -> None:
        """Runs the job, unless the process has begun to stop, or another job is to be alone."""
        if self._stopping.is_set():  # or the slots of a stopping process would take turns at the jobs they hand back
            put_back(self._redis, self._queue, job.id)
        elif self._name == QUARANTINE:
            self._run_alone(job)
        elif self._name == FETCH:  # it does without the model
            self._run(job)
        elif self._gate.enter(self._name, goes_first=self._need is not None):
            self._run_inside(lambda: job)
        else:
            put_back(self._redis, self._queue, job.id)
            if self._gate.wait(self._look, self._name, goes_first=self._need is not None):
                self._run_inside(lambda: None if self._stopping.is_set() else self.take(FIRST_LOOK))

    def _run_inside(self, next_job: Callable[[], QueuedJob | None]) -> None:
        """In the place that this slot has; others took what it saw, if there is none any more."""
        try:
            if job := next_job():
                self._run(job)
        finally:
            self._gate.leave(self._name)

    def _run_alone(self, job: QueuedJob) -> None:
        running = self._work.running
        with self._gate.alone(partial(running.hand_back_others, job.id)) as is_ours:
            if is_ours:
                try:
                    self._run(job)
                finally:
                    running.end_alone()
                return
        put_back(self._redis, self._queue, job.id)
        if self._gate.wait(self._look):
            self._gate.leave()

    def _run(self, job: QueuedJob) -> None:
        run = self._begin(job)
        if run is None:
            log.info("Job %s runs already: a second entry of the queue is dropped", job.id)
            self._queue.intermediate_queue.remove(job.id)
            return
        try:
            self._conclude(run, self._end_of(job))
        finally:
            self._current = None  # if its end could not be told, the lease runs out
        if job.is_ours:  # a foreign one stays where the dashboard shows that it failed
            self._work.after(job.id)

    def _begin(self, job: QueuedJob) -> RunRecord | None:
        """The run, once its lease is taken; None if somebody else has the job."""
        begun: RunRecord | None = None

        def begin(pipeline: Pipeline) -> None:
            nonlocal begun
            begun = RunRecord(job, self._home, self._queue, self._worker, self._lease_ttl, pipeline, self._clock.now())
            self._worker.show(WorkerStatus.BUSY, pipeline)

        if not self._leases.take(job.id, begin):
            return None
        self._current = begun
        self._on_begin()
        return begun

    def _end_of(self, job: QueuedJob) -> End:
        if not job.is_ours:
            return Failed("ForeignFunction: only the service's own jobs are run.")
        try:
            with logs.about_job(job.id):
                return self._work.run(job.id, self._name)
        except Exception as error:  # the store failed, not the worker: no crash to count
            log.exception("Job %s could not be run: it is tried again later", job.id)
            return Postponed("".join(traceback.format_exception(error)))

    def _conclude(self, run: RunRecord, end: End) -> None:
        if isinstance(end, Requeue) and self._comes_back(end):
            end = Postponed(end.why, self._clock.now() + self._again)
        if isinstance(end, Requeue):
            log.info("Job %s: %s", run.job_id, end.why)
            self._let_go(run, end)
        elif isinstance(end, Lost) or not self._leases.renew(run.lease):
            log.warning("A late result of job %s is refused: another worker has it", run.job_id)
            # or nobody has: this slot may have taken the job back on its way from one queue of the other's to the next
            self._let_go(run, Requeue("It goes on with another worker."))
        else:
            if isinstance(end, Failed | Canceled):
                log.info("Job %s ended: %s", run.job_id, end.why)
            with self._hand:
                run.end(end, self._redis)
                self._current = None

    def beat(self) -> None:
        """Says that the slot lives, renews the lease of the job it runs, if any, and stops work on one that another
        worker has."""
        with self._hand:
            run = self._current
            if run is None:
                self._worker.keep()
                return
            if not self._leases.renew(run.lease):
                log.warning("Job %s is another worker's by now", run.job_id)
                self._work.running.lose(run.job_id)
                return
            with self._redis.pipeline() as pipeline:
                self._worker.show(WorkerStatus.BUSY, pipeline)
                run.renew(pipeline)
                pipeline.execute()

    def stop(self) -> None:
        self._stopping.set()

    def give_back(self) -> None:
        """Returns the job to its queue though its run has not ended: the process is about to, and is listed no more."""
        if run := self._current:
            self._let_go(run, Requeue("The worker is stopping."))
        self._worker.remove()

    def _let_go(self, run: RunRecord, to: Requeue) -> None:
        """Ends the run without a word about the job's state, and passes the job on where it is to go on, unless another
        worker has it by now."""
        with self._hand:
            self._leases.pass_on(run.lease, self._goal(to), at_front=to.at_front)
            self._current = None

    def _goal(self, to: Requeue) -> str:
        if to.need:
            return to.need.queue(self._name)
        return to.queue or self._queue.name

    def _comes_back(self, to: Requeue) -> bool:
        """Whether it says that others have what it needs, and they are those for whom this slot works: names that two
        workers spell otherwise must not send it in circles."""
        return to.need is not None and self._goal(to) == self._queue.name
