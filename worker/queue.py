"""RQ carries jobs from the API to a slot. Only ids travel; the store holds the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis import Redis
from rq import Queue, Retry
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import clean_registries
from rq.serializers import JSONSerializer
from rq.worker_registration import clean_worker_registry

from worker.jobs import PRIORITIES, JobRequest, Priority

JOB_FUNCTION = "whisper_native.transcribe"  # the one name a slot will run; it stands for JobRunner.run
STRANDED_AFTER = 15.0  # seconds a job may be on its way from the queue to a slot; it takes milliseconds
RECORD_TTL = 24 * 3600  # seconds RQ's own record of an ended job stays visible in the dashboard
CRASH_RETRIES = 2  # how often a job is tried again after its worker died


class QueuedJob(Job):
    """RQ's job without the hooks a record in Redis can name: nothing but our own function is ever called."""

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


def _queues_of(request: JobRequest) -> tuple[Priority, ...]:
    """Where the job may wait: an interactive one that turned out to be long goes on as batch work."""
    return ("batch",) if request.priority == "batch" else ("interactive", "batch")


class JobQueue:
    """The two queues, `interactive` and `batch`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._on_the_way: dict[str, dict[str, float]] = {name: {} for name in PRIORITIES}  # since when, by id
        self._queues: Mapping[Priority, Queue] = {
            name: Queue(name, connection=redis, serializer=JSONSerializer, job_class=QueuedJob) for name in PRIORITIES
        }

    def enqueue(self, request: JobRequest, queue: Priority | None = None, at_front: bool = False) -> None:
        """Puts the job at the end of its queue, or where else it is told to."""
        self._queues[queue or request.priority].enqueue_call(
            JOB_FUNCTION,
            args=(request.id,),
            job_id=request.id,
            timeout=-1,
            result_ttl=RECORD_TTL,
            failure_ttl=RECORD_TTL,
            retry=Retry(max=CRASH_RETRIES),
            description=f"{request.owner}: {request.size} bytes, {request.model}",  # no file name: all keys see it
            at_front=at_front,
        )

    def move_to_batch(self, request: JobRequest) -> None:
        """Puts a job that gave its interactive slot back at the head of the batch queue: it has begun."""
        self.forget(request.id)
        self.enqueue(request, "batch", at_front=True)

    def position(self, request: JobRequest) -> int | None:
        """How many jobs of the same queue run before this one, or None where it does not wait."""
        places = (self._queues[name].get_job_position(request.id) for name in _queues_of(request))
        return next((place for place in places if place is not None), None)

    def withdraw(self, request: JobRequest) -> None:
        """Takes a waiting job out of RQ; a running one is left to its slot, which notices by itself."""
        if any(self._redis.lrem(self._queues[name].key, 1, request.id) for name in _queues_of(request)):
            self.forget(request.id)

    def forget(self, job_id: str) -> None:
        """Removes every trace of the job from RQ."""
        try:
            QueuedJob.fetch(job_id, connection=self._redis, serializer=JSONSerializer).delete()
        except (NoSuchJobError, ValueError):  # ValueError: its lease ran out (RQ keeps half of the record then)
            self._redis.delete(f"rq:job:{job_id}")
        self._redis.delete(f"rq:results:{job_id}")  # which RQ leaves behind

    def live_ids(self) -> set[str]:
        """All jobs RQ has waiting, just taken by a slot, or running under a lease."""
        found: set[str] = set()
        for queue in self._queues.values():
            found.update(queue.get_job_ids())
            found.update(queue.intermediate_queue.get_job_ids())
            found.update(queue.started_job_registry.get_job_ids(cleanup=False))
        return found

    def has_crashed_out(self, job_id: str) -> bool:
        """Whether RQ gave the job up: its worker died once more than it may be tried again."""
        try:
            job = QueuedJob.fetch(job_id, connection=self._redis, serializer=JSONSerializer)
        except NoSuchJobError:
            return False
        return job.get_status(refresh=False) == JobStatus.FAILED

    def recover_abandoned(self, now: float) -> None:
        """Hands jobs whose lease ran out, or whose slot died before it began, to another slot. Only one caller at a
        time may do this. now: monotonic seconds."""
        for queue in self._queues.values():
            clean_registries(queue)
            clean_worker_registry(queue)
            self._put_back_stranded(queue, now)

    def _put_back_stranded(self, queue: Queue, now: float) -> None:
        """RQ moves a job to a slot through a list of its own; a slot that dies right then leaves it there."""
        started = set(queue.started_job_registry.get_job_ids(cleanup=False))
        on_the_way = set(queue.intermediate_queue.get_job_ids())
        seen = self._on_the_way[queue.name]
        for job_id in seen.keys() - on_the_way:
            del seen[job_id]
        for job_id in on_the_way:
            if now - seen.setdefault(job_id, now) < STRANDED_AFTER:
                continue
            if job_id in started or queue.fetch_job(job_id) is None:
                queue.intermediate_queue.remove(job_id)
            else:
                put_back(self._redis, queue, job_id)
            del seen[job_id]

    def waits(self, queue: Priority) -> bool:
        """Whether a job waits for a slot of this queue."""
        return self._queues[queue].count > 0

    def depth(self) -> dict[str, Any]:
        """Jobs waiting in each queue."""
        return {name: queue.count for name, queue in self._queues.items()}
