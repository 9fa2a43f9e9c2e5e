"""RQ carries jobs from the API to a slot. Only ids travel; the store holds the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis import Redis
from rq import Queue, Retry
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from worker.jobs import PRIORITIES, JobRequest, Priority

JOB_FUNCTION = "worker.tasks.transcribe"  # the one name a slot will run
RECORD_TTL = 24 * 3600  # seconds RQ's own record of an ended job stays visible in the dashboard
CRASH_RETRIES = 2  # how often a job is tried again after its worker died


class JobQueue:
    """The two queues, `interactive` and `batch`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._queues: Mapping[Priority, Queue] = {
            name: Queue(name, connection=redis, serializer=JSONSerializer) for name in PRIORITIES
        }

    def enqueue(self, request: JobRequest) -> None:
        """Puts the job at its queue's end."""
        self._queues[request.priority].enqueue_call(
            JOB_FUNCTION,
            args=(request.id,),
            job_id=request.id,
            timeout=-1,
            result_ttl=RECORD_TTL,
            failure_ttl=RECORD_TTL,
            retry=Retry(max=CRASH_RETRIES),
            description=f"{request.filename} ({request.model}, {request.owner})",
        )

    def position(self, request: JobRequest) -> int | None:
        """How many jobs of the same queue run before this one, or None where it does not wait."""
        return self._queues[request.priority].get_job_position(request.id)

    def is_live(self, request: JobRequest) -> bool:
        """Whether RQ still has the job waiting or running."""
        try:
            job = Job.fetch(request.id, connection=self._redis, serializer=JSONSerializer)
        except NoSuchJobError:
            return False
        return job.get_status(refresh=False) in ("queued", "started", "scheduled", "deferred")

    def withdraw(self, request: JobRequest) -> None:
        """Takes a waiting job out of its queue; a running one is left to notice by itself."""
        self._queues[request.priority].remove(request.id)

    def forget(self, request: JobRequest) -> None:
        """Removes every trace of the job from RQ."""
        self.withdraw(request)
        try:
            Job.fetch(request.id, connection=self._redis, serializer=JSONSerializer).delete()
        except (NoSuchJobError, ValueError):  # ValueError: its lease ran out (RQ keeps half of the record then)
            self._redis.delete(f"rq:job:{request.id}")
        self._redis.delete(f"rq:results:{request.id}")

    def depth(self) -> dict[str, Any]:
        """Jobs waiting in each queue."""
        return {name: queue.count for name, queue in self._queues.items()}
