"""The record of a job in RQ, from which nothing but the service's own work is ever run.

whisper:insertions  string: how often a job came to a queue elsewhere than at its end: see worker.jobs.turns
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.exceptions import DeserializationError
from rq.job import Job, JobStatus
from rq.registry import CanceledJobRegistry
from rq.utils import now

from worker.runtime.connection import KEY_PREFIX

JOB_FUNCTION = "whisper_native.transcribe"  # the one name a slot accepts; it stands for JobRunner.run
INSERTIONS = f"{KEY_PREFIX}insertions"
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


def cancel(job: Job, pipeline: Pipeline) -> None:
    """Lists the job as canceled. RQ's own `cancel` would keep it there for ever."""
    job.ended_at = now()
    job.set_status(JobStatus.CANCELED, pipeline)
    job.save(pipeline, include_meta=False, include_result=False)
    pipeline.delete(f"rq:results:{job.id}")  # of a run that broke off
    CanceledJobRegistry(job.origin, job.connection).add(job, RECORD_TTL, pipeline)
    job.cleanup(RECORD_TTL, pipeline, remove_from_queue=False)


def describe(redis: Redis, job_id: str, facts: Mapping[str, Any]) -> None:
    """Adds to what the dashboard shows of the job, in RQ's `meta`. A record that is gone is not begun anew."""
    key = Job.key_for(job_id)

    def change(pipeline: Pipeline) -> None:
        created_at, meta = pipeline.hmget(key, ["created_at", "meta"])
        pipeline.multi()
        if created_at is not None:
            known = json.loads(meta) if meta else {}
            pipeline.hset(key, "meta", json.dumps({**known, **facts}))

    redis.transaction(change, key)


def how_far(processed: float, total: float) -> dict[str, float | None]:
    """What `meta` says of a job's progress, by the names of the job object. processed, total: seconds of audio; total:
    0 if it is not known."""
    progress = round(min(1.0, processed / total), 4) if total else 0.0
    return {"progress": progress, "processed_seconds": round(processed, 3), "total_seconds": round(total, 3) or None}


def put_back(redis: Redis, queue: Queue, job_id: str) -> None:
    """Returns a job that a slot took and did not begin to the head of its queue."""
    with redis.pipeline() as pipeline:
        pipeline.lrem(queue.intermediate_queue_key, 1, job_id)
        pipeline.lpush(queue.key, job_id)
        pipeline.incr(INSERTIONS)
        pipeline.execute()
