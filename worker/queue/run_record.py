"""What RQ keeps of one run of a job: that it began, under which lease, and how it ended."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.executions import Execution
from rq.job import JobStatus
from rq.results import Result
from rq.utils import now

from worker.queue.leases import Lease
from worker.queue.queued_job import RECORD_TTL, QueuedJob, cancel
from worker.queue.run_end import Canceled, Failed, Finished, Postponed, Skipped
from worker.queue.worker_record import WorkerRecord

Recorded = Finished | Skipped | Failed | Canceled | Postponed  # the ends after which the job leaves the queues


class RunRecord:
    """Begins with the lease, in the same transaction; `end` writes the end and drops the lease in another.

    queue: its kind's, to which the job goes back if its worker dies. taken_from: where it waited, the same or one of
    those from which not every worker takes. ttl: seconds of the lease. now: unix seconds, by Redis' clock.
    """

    def __init__(
        self,
        job: QueuedJob,
        queue: Queue,
        taken_from: Queue,
        worker: WorkerRecord,
        ttl: int,
        pipeline: Pipeline,
        now: float,
    ) -> None:
        job.origin = queue.name  # whatever the record says: the lease is one of this queue
        self._job = job
        self._queue = queue
        self._worker = worker
        self._ttl = ttl
        self._execution = Execution.create(job, ttl, pipeline, worker_name=worker.name)
        self.lease = Lease(queue.name, job.id, self._execution.id)
        # RQ has just counted the lease from this machine's time
        pipeline.zadd(job.started_job_registry.key, {self.lease.member: now + ttl})
        job.prepare_for_execution(worker.name, pipeline)
        pipeline.persist(job.key)
        pipeline.lrem(taken_from.intermediate_queue_key, 1, job.id)

    @property
    def job_id(self) -> str:
        return self.lease.job_id

    def renew(self, pipeline: Pipeline) -> None:
        """What is to be read of the run lives on, as its lease does."""
        self._execution.save(self._ttl, pipeline)

    def end(self, end: Recorded, redis: Redis) -> None:
        self._job.ended_at = now()
        with redis.pipeline() as pipeline:
            if isinstance(end, Finished | Skipped):
                self._succeed(end, pipeline)
            elif isinstance(end, Failed):
                self._fail(JobStatus.FAILED, end.why, pipeline)
            elif isinstance(end, Canceled):
                cancel(self._job, pipeline)
            elif isinstance(end, Postponed) and end.due_at is not None:
                self._put_aside(end.due_at, pipeline)
            else:
                self._fail(JobStatus.STOPPED, end.why, pipeline)
            self._execution.delete(self._job, pipeline)
            pipeline.execute()

    def _succeed(self, end: Finished | Skipped, pipeline: Pipeline) -> None:
        job, ttl = self._job, self._job.result_ttl or RECORD_TTL
        job.set_status(JobStatus.FINISHED, pipeline)
        job.save(pipeline, include_meta=False, include_result=False)
        if isinstance(end, Skipped):
            self._keep(Result.Type.SUCCESSFUL, ttl, pipeline, return_value={"state": end.state})
        else:  # its transcript is in the store; a result would be three quarters of what Redis keeps of the job
            pipeline.delete(f"rq:results:{job.id}")  # of a run that broke off
        job.finished_job_registry.add(job, ttl, pipeline)
        job.cleanup(ttl, pipeline, remove_from_queue=False)
        self._worker.count_success(self._began, pipeline)

    def _put_aside(self, due_at: float, pipeline: Pipeline) -> None:
        """Where the dashboard lists what is to run later. due_at: unix seconds."""
        self._job.set_status(JobStatus.SCHEDULED, pipeline)
        due = datetime.fromtimestamp(math.ceil(due_at), UTC)  # RQ cuts off what is below a second
        self._queue.scheduled_job_registry.schedule(self._job, due, pipeline)

    def _fail(self, status: JobStatus, why: str, pipeline: Pipeline) -> None:
        job, ttl = self._job, self._job.failure_ttl or RECORD_TTL
        job.set_status(status, pipeline)
        job.failed_job_registry.add(job, ttl, why, pipeline)
        self._keep(Result.Type.FAILED, ttl, pipeline, exc_string=why)
        self._worker.count_failure(self._began, pipeline)

    def _keep(
        self,
        kind: Result.Type,
        ttl: int,
        pipeline: Pipeline,
        return_value: dict[str, str] | None = None,
        exc_string: str | None = None,
    ) -> None:
        Result.create(
            self._job,
            kind,
            ttl,
            return_value,
            exc_string,
            self._worker.name,
            pipeline,
            self._execution.id,
            self._execution.created_at,
            self._job.ended_at,
        )

    @property
    def _began(self) -> datetime:
        return self._execution.created_at
