"""Slots: threads that each take one job at a time from one queue. All feed the one batcher.

RQ's SimpleWorker runs jobs in its own process, as a warm model needs, but sends no heartbeat while a job runs,
wants the main thread, and runs whatever function a job names. This subclass mends the three, and lets go of a job
in one step, whatever it goes on to.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Protocol
from uuid import uuid4

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import DeserializationError, StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty
from rq.worker.base import WorkerStatus

from worker.queue.heartbeat import process_name
from worker.queue.job_queue import JOB_FUNCTION, QUARANTINE, QUEUES, QueuedJob, QueueName, put_back
from worker.queue.leases import Lease, Leases
from worker.queue.run_endings import JobCanceled, JobEnded, LeaseLost, Requeued
from worker.runtime import logs
from worker.runtime.timing import Timing
from worker.store.records import Priority

RQ_MARGIN = 15  # seconds that RQ blocks less than a worker's TTL

log = logging.getLogger(__name__)

Run = Callable[[str], dict[str, str]]


class Work(Protocol):
    """What slots do with a job's id. See JobRunner."""

    def run(self, job_id: str, queue: QueueName) -> dict[str, str]: ...
    def after(self, job_id: str) -> None: ...
    def lose(self, job_id: str) -> None: ...
    def hand_back_others(self, job_id: str) -> None: ...
    def end_alone(self) -> None: ...


class ForeignFunction(Exception):
    """The queue holds a job that names a function of its own. Only the service's own jobs are run."""


def job_class(run: Run) -> type[Job]:
    """RQ's Job, but whatever the queue says, all it can call is `run`."""

    class TranscriptionJob(QueuedJob):
        @property
        def func(self) -> Run:
            if self.func_name != JOB_FUNCTION:
                raise ForeignFunction(f"Refused to run '{self.func_name}'.")
            return run

    return TranscriptionJob


class Gate:
    """Lets every slot run a job, or none but the one that runs a job alone."""

    def __init__(self, timing: Timing = Timing()) -> None:
        self._timing = timing
        self._changed = threading.Condition()
        self._inside = 0
        self._is_closed = False

    def enter(self) -> bool:
        """Whether a job may begin; the caller of a True calls `leave` in the end."""
        with self._changed:
            if self._is_closed:
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def wait(self, timeout: float) -> None:
        """Until jobs may begin again."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_closed, timeout)

    @contextmanager
    def alone(self, hand_back_others: Callable[[], None]) -> Iterator[None]:
        """Keeps others out, after those inside have been asked to leave. One that hangs is not waited for."""
        deadline = time.monotonic() + self._timing.make_way
        with self._changed:
            self._is_closed = True
        try:
            hand_back_others()
            while self._is_busy() and time.monotonic() < deadline:
                hand_back_others()  # one may have begun since
                with self._changed:
                    self._changed.wait(0.1)
            yield
        finally:
            with self._changed:
                self._is_closed = False
                self._changed.notify_all()

    def _is_busy(self) -> bool:
        with self._changed:
            return self._inside > 0


def _run_named(work: Work, job_id: str, queue: QueueName) -> dict[str, str]:
    with logs.about_job(job_id):
        return work.run(job_id, queue)


class Slot(SimpleWorker):
    """One RQ worker on one queue (with one, RQ moves jobs atomically and loses none in a crash)."""

    death_penalty_class = TimerDeathPenalty

    def __init__(self, queue: QueueName, redis: Redis, work: Work, gate: Gate, timing: Timing = Timing()) -> None:
        jobs = job_class(partial(_run_named, work, queue=queue))
        self._work = work
        self._gate = gate
        self._leases = Leases(redis, QUEUES, timing)
        self._lease_ttl = math.ceil(timing.lease)  # RQ counts whole seconds
        self._hand = threading.RLock()  # a beat must not renew what is being let go of
        super().__init__(
            [Queue(queue, connection=redis, serializer=JSONSerializer, job_class=jobs)],
            name=f"{queue}.{process_name()}.{uuid4().hex[:8]}",
            connection=redis,
            job_class=jobs,
            serializer=JSONSerializer,
            worker_ttl=math.ceil(timing.idle_look) + RQ_MARGIN,
            log_job_description=False,  # file names stay out of the log
        )

    @property
    def is_busy(self) -> bool:
        return bool(self.executions)

    def beat(self) -> None:
        """Renews the lease of the job this slot runs, if any, and stops work on one that another worker has."""
        for execution in list(self.executions.values()):
            with self._hand:
                if execution.id in self.executions:
                    self._renew(execution)

    def _renew(self, execution: Execution) -> None:
        if not self._leases.renew(self._lease(execution)):
            log.warning("Job %s is another worker's by now", execution.job_id)
            self._work.lose(execution.job_id)
            return
        with self.connection.pipeline() as pipeline:
            self.heartbeat(self._lease_ttl + self.worker_ttl, pipeline=pipeline)
            execution.save(self._lease_ttl, pipeline=pipeline)
            pipeline.execute()

    def stop(self) -> None:
        self._stop_requested = True

    def give_back(self) -> None:
        """Returns the job to its queue though its run has not ended: the process is about to."""
        for execution in list(self.executions.values()):
            self._let_go(execution, Requeued("The worker is stopping."))

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Runs the job, unless the process has begun to stop, or another job is to be alone."""
        if self._stop_requested:  # or the slots of a stopping process would take turns at the jobs they hand back
            put_back(self.connection, queue, job.id)
            raise StopRequested()
        if queue.name == QUARANTINE:
            try:
                with self._gate.alone(partial(self._work.hand_back_others, job.id)):
                    self._execute(job, queue)
            finally:
                self._work.end_alone()
        elif self._gate.enter():
            try:
                self._execute(job, queue)
            finally:
                self._gate.leave()
        else:
            put_back(self.connection, queue, job.id)
            self._gate.wait(self.worker_ttl)

    def _execute(self, job: Job, queue: Queue) -> None:
        execution = self._begin(job)
        if execution is None:
            log.info("Job %s runs already: a second entry of the queue is dropped", job.id)
            queue.intermediate_queue.remove(job.id)
            return
        self.perform_job(job, queue, execution)
        self.set_state(WorkerStatus.IDLE)
        if _is_ours(job):  # a foreign one stays where the dashboard shows that it failed
            self._work.after(job.id)

    def _begin(self, job: Job) -> Execution | None:
        begun: list[Execution] = []

        def begin(pipeline: Pipeline) -> None:
            begun[:] = [Execution.create(job, self._lease_ttl, pipeline=pipeline, worker_name=self.name)]
            self.set_state(WorkerStatus.BUSY, pipeline=pipeline)

        if not self._leases.take(job.id, begin):
            return None
        self.executions[begun[0].id] = begun[0]
        return begun[0]

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return self._lease_ttl

    def clean_registries(self) -> None:
        """Left to maintenance, which runs under one lock even while all slots are busy."""

    def clean_group_registries(self) -> None:
        """The service has no groups."""

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Decides how RQ is to note an end that is no transcript: as failed or as stopped. It retries nothing."""
        kind: type[BaseException] = exc_info[0]
        error: BaseException = exc_info[1]
        trace: TracebackType = exc_info[2]
        if issubclass(kind, JobEnded | ForeignFunction):
            if issubclass(kind, JobCanceled):
                self._stopped_job_id = job.id
            log.info("Job %s ended: %s", job.id, error)
        else:  # the store failed, not the worker: no crash to count; maintenance queues the job again
            self._stopped_job_id = job.id
            log.error("Job %s could not be run: it is tried again later", job.id, exc_info=(kind, error, trace))

    def _finalize_success(self, job: Job, queue: Queue, execution: Execution, return_value: Any) -> None:
        if self._leases.renew(self._lease(execution)):
            super()._finalize_success(job, queue, execution, return_value)
        else:
            self._let_go(execution)

    def _finalize_failure(
        self,
        job: Job,
        queue: Queue,
        execution: Execution,
        exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None],
    ) -> None:
        error = exc_info[1]
        if isinstance(error, Requeued):
            log.info("Job %s: %s", job.id, error)
            self._let_go(execution, error)
        elif isinstance(error, LeaseLost) or not self._leases.renew(self._lease(execution)):
            log.warning("A late result of job %s is refused: %s", job.id, error)
            self._let_go(execution)
        else:
            super()._finalize_failure(job, queue, execution, exc_info)

    def _let_go(self, execution: Execution, to: Requeued | None = None) -> None:
        """Ends the execution without a word about the job's state, and passes the job on where it is to go on."""
        lease = self._lease(execution)
        with self._hand:
            if to is None:
                self._leases.drop(lease)
            else:
                self._leases.pass_on(lease, to.queue or lease.queue, at_front=to.at_front)
            self.executions.pop(execution.id, None)

    def _lease(self, execution: Execution) -> Lease:
        return Lease(self.queues[0].name, execution.job_id, execution.id)

    def _install_signal_handlers(self) -> None:
        """Signals belong to the process, not to a slot's thread."""


def _is_ours(job: Job) -> bool:
    try:
        return job.func_name == JOB_FUNCTION
    except DeserializationError:
        return False


class Slots:
    """All slots of a worker process, each on a thread that starts over if RQ's loop gives up."""

    def __init__(self, redis: Redis, work: Work, counts: dict[Priority, int], timing: Timing = Timing()) -> None:
        self._timing = timing
        self._redis = redis
        self._work = work
        self._counts: dict[QueueName, int] = {QUARANTINE: 1}
        for name, count in counts.items():
            self._counts[name] = count
        self._gate = Gate(timing)
        self._stopping = threading.Event()
        self._slots: dict[int, Slot] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for queue, count in self._counts.items():
            self._add(queue, count)

    def ensure(self, counts: dict[Priority, int]) -> None:
        """Adds slots where there are fewer than these: a model that was loaded since may take more at once."""
        for queue, count in counts.items():
            self._add(queue, count - self._counts[queue])
            self._counts[queue] = max(count, self._counts[queue])

    def _add(self, queue: QueueName, count: int) -> None:
        for _ in range(count):
            number = len(self._threads)
            thread = threading.Thread(target=self._serve, args=(number, queue), name=f"{queue}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

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
        for slot in self._slots.values():
            try:
                slot.give_back()
            except RedisError as error:
                log.warning("A job could not be handed back, its lease runs out: %s", error)

    def _let_idle_slots_put_back(self, deadline: float) -> None:
        """An idle slot, still in its blocking read, is given at once what a busy one hands back; it returns it and
        ends, and the next one is given it. Ending the process in between would leave the job on its way."""
        queues = [Queue(name, connection=self._redis) for name in self._counts]
        while time.monotonic() < deadline and any(queue.intermediate_queue.get_job_ids() for queue in queues):
            time.sleep(0.02)

    def _serve(self, number: int, queue: QueueName) -> None:
        while not self._stopping.is_set():
            try:
                slot = self._slots[number] = Slot(queue, self._redis, self._work, self._gate, self._timing)
                slot.work(logging_level="WARNING")
            except Exception:
                log.exception("A slot of the queue %s gave up, starting it again", queue)
                self._stopping.wait(1.0)
