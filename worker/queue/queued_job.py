"""The record of a job in RQ, from which nothing but the service's own work is ever run."""

from __future__ import annotations

from redis import Redis
from rq import Queue
from rq.exceptions import DeserializationError
from rq.job import Job, JobStatus

JOB_FUNCTION = "whisper_native.transcribe"  # the one name a slot accepts; it stands for JobRunner.run
RECORD_TTL = 24 * 3600  # seconds RQ's own record of an ended job stays visible in the dashboard


class QueuedJob(Job):
    """RQ's job without the hooks a record in Redis can name: none of them is ever called."""

    @property
    def is_ours(self) -> bool:
        """Whether the service made the record. One that names another function, or cannot be read, is not run."""
        try:
            return self.func_name == JOB_FUNCTION
        except DeserializationError:
            return False

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None

    def send_webhooks(self, status: str | JobStatus, *, exc_string: str | None = None) -> None:
        return None


def put_back(redis: Redis, queue: Queue, job_id: str) -> None:
    """Returns a job that a slot took and did not begin to the head of its queue."""
    with redis.pipeline() as pipeline:
        pipeline.lrem(queue.intermediate_queue_key, 1, job_id)
        pipeline.lpush(queue.key, job_id)
        pipeline.execute()
