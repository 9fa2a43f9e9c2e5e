"""Slots: threads that each take one job at a time from one queue. All feed the one batcher.

RQ's SimpleWorker runs jobs in its own process, as a warm model needs, but sends no heartbeat while a job runs,
wants the main thread, and runs whatever function a job names. This subclass mends the three.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Protocol
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import DeserializationError, StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

from worker.jobs import Priority
from worker.queue import JOB_FUNCTION, QueuedJob, put_back
from worker.runner import Demoted, HandBack, JobCanceled, JobEnded

LEASE = 30  # seconds without a beat after which a job counts as abandoned
IDLE_TTL = 20  # seconds; RQ blocks for 15 s less, so an idle slot looks up every 5 s

log = logging.getLogger(__name__)

Run = Callable[[str], dict[str, str]]
After = Callable[[str], None]  # what is left to do for a job, by its id, once RQ has written all it writes


class Work(Protocol):
    """What a slot does with a job's id."""

    def run(self, job_id: str, queue: Priority) -> dict[str, str]: ...
    def after(self, job_id: str) -> None: ...


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


class Slot(SimpleWorker):
    """One RQ worker on one queue (with one, RQ moves jobs atomically and loses none in a crash)."""

    death_penalty_class = TimerDeathPenalty

    def __init__(self, queue: Priority, redis: Redis, run: Run, after: After) -> None:
        jobs = job_class(run)
        self._after = after
        super().__init__(
            [Queue(queue, connection=redis, serializer=JSONSerializer, job_class=jobs)],
            name=f"{queue}-{uuid4().hex[:12]}",
            connection=redis,
            job_class=jobs,
            serializer=JSONSerializer,
            worker_ttl=IDLE_TTL,
            log_job_description=False,  # file names stay out of the log
        )

    def beat(self) -> None:
        """Renews the lease of the job this slot runs, if any."""
        for execution in list(self.executions.values()):
            with self.connection.pipeline() as pipeline:
                self.heartbeat(LEASE + IDLE_TTL, pipeline=pipeline)
                execution.heartbeat(execution.job.started_job_registry, LEASE, pipeline=pipeline)
                pipeline.execute()

    def stop(self) -> None:
        self._stop_requested = True

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Runs the job, unless the process has begun to stop: then it goes back, or the slots of a stopping process
        would take turns at the jobs they hand back."""
        if self._stop_requested:
            put_back(self.connection, queue, job.id)
            raise StopRequested()
        super().execute_job(job, queue)
        if _is_ours(job):  # a foreign one stays where the dashboard shows that it failed
            self._after(job.id)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        return LEASE

    def clean_registries(self) -> None:
        """Left to maintenance, which runs under one lock even while all slots are busy."""

    def clean_group_registries(self) -> None:
        """The service has no groups."""

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Decides what a raised error means for RQ's retries, which are there for crashes only."""
        kind: type[BaseException] = exc_info[0]
        error: BaseException = exc_info[1]
        trace: TracebackType = exc_info[2]
        if issubclass(kind, HandBack):
            job.retries_left = (job.retries_left or 0) + 1
            log.info("Job %s goes back to its queue", job.id)
        elif issubclass(kind, JobEnded | ForeignFunction):
            job.retries_left = 0
            if issubclass(kind, JobCanceled | Demoted):
                self._stopped_job_id = job.id
            log.info("Job %s ended: %s", job.id, error)
        else:  # the store failed, not the worker: no crash to count; maintenance queues the job again
            job.retries_left = 0
            self._stopped_job_id = job.id
            log.error("Job %s could not be run", job.id, exc_info=(kind, error, trace))

    def _install_signal_handlers(self) -> None:
        """Signals belong to the process, not to a slot's thread."""


def _is_ours(job: Job) -> bool:
    try:
        return job.func_name == JOB_FUNCTION
    except DeserializationError:
        return False


class Slots:
    """All slots of a worker process, each on a thread that starts over if RQ's loop gives up."""

    def __init__(self, redis: Redis, work: Work, counts: dict[Priority, int]) -> None:
        self._redis = redis
        self._work = work
        self._counts = counts
        self._stopping = threading.Event()
        self._slots: dict[int, Slot] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for queue, count in self._counts.items():
            for _ in range(count):
                number = len(self._threads)
                thread = threading.Thread(
                    target=self._serve, args=(number, queue), name=f"{queue}-{number}", daemon=True
                )
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

    def stop(self, timeout: float) -> None:
        """Takes no more jobs; waits up to `timeout` seconds for each slot's job to end."""
        self.take_no_more()
        deadline = time.monotonic() + timeout
        for number, thread in enumerate(self._threads):
            slot = self._slots.get(number)
            if slot is not None and slot.executions:
                thread.join(max(0.0, deadline - time.monotonic()))
        self._let_idle_slots_put_back(deadline)

    def _let_idle_slots_put_back(self, deadline: float) -> None:
        """An idle slot, still in its blocking read, is given at once what a busy one hands back; it returns it and
        ends, and the next one is given it. Ending the process in between would leave the job on its way."""
        queues = [Queue(name, connection=self._redis) for name in self._counts]
        while time.monotonic() < deadline and any(queue.intermediate_queue.get_job_ids() for queue in queues):
            time.sleep(0.02)

    def _serve(self, number: int, queue: Priority) -> None:
        while not self._stopping.is_set():
            try:
                run = partial(self._work.run, queue=queue)
                slot = self._slots[number] = Slot(queue, self._redis, run, self._work.after)
                slot.work(logging_level="WARNING")
            except Exception:
                log.exception("A slot of the queue %s gave up, starting it again", queue)
                self._stopping.wait(1.0)
