"""What the buttons of the dashboard do: as the API, they change jobs in the store, and not RQ's records alone."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify
from redis import Redis
from rq import Queue
from rq.registry import BaseRegistry
from rq.serializers import JSONSerializer

from api.http.errors import ApiError, record_unreadable
from worker.fleet.clock import Clock
from worker.jobs.backlog import QueueFull
from worker.jobs.job_service import CannotRequeue, JobService
from worker.store.job_store import JobNotFound, JobStore
from worker.store.record_format import RecordUnreadable
from worker.webhooks.outbox import Outbox

log = logging.getLogger(__name__)

FlaskAnswer = tuple[dict[str, Any], int, dict[str, str]]  # body, status, headers


class DashboardActions:
    """Stands in for the views of rq-dashboard that change something."""

    def __init__(self, jobs: JobService, store: JobStore, redis: Redis, clock: Clock) -> None:
        self._jobs = jobs
        self._outbox = Outbox(store, now=clock.now)
        self._redis = redis

    def replace_views(self, app: Flask) -> None:
        """Raises RuntimeError for a version of rq-dashboard that names them otherwise."""
        views: dict[str, Callable[..., Response]] = {
            "delete_job_view": self.delete,
            "requeue_job_view": self.requeue,
            "requeue_all": self.requeue_all,
            "empty_queue": self.empty,
        }
        for name, view in views.items():
            if f"rq_dashboard.{name}" not in app.view_functions:
                raise RuntimeError(f"This version of rq-dashboard has no {name}: install the pinned one.")
            app.view_functions[f"rq_dashboard.{name}"] = view
        app.register_error_handler(ApiError, _answer)
        app.register_error_handler(RecordUnreadable, lambda error: _answer(record_unreadable(error)))

    def delete(self, job_id: str) -> Response:
        self._jobs.delete_any(job_id)
        log.info("Job %s was deleted in the dashboard", job_id)
        return jsonify(status="OK")

    def requeue(self, job_id: str) -> Response:
        try:
            self._requeue(job_id)
        except CannotRequeue as error:
            raise ApiError(error.code, str(error)) from error
        except QueueFull as error:
            raise ApiError("queue_full", str(error)) from error
        except JobNotFound as error:
            raise ApiError("job_not_found", str(error)) from error
        return jsonify(status="OK")

    def requeue_all(self, queue_name: str) -> Response:
        """All failed jobs of the queue, except those that cannot run again."""
        count = 0
        for job_id in self._ids(queue_name, "failed"):
            with contextlib.suppress(CannotRequeue, JobNotFound):
                self._requeue(job_id)
                count += 1
        return jsonify(status="OK", count=count)

    def empty(self, queue_name: str, registry_name: str) -> Response:
        for job_id in self._ids(queue_name, registry_name):
            self._jobs.delete_any(job_id)
        return jsonify(status="OK")

    def _requeue(self, job_id: str) -> None:
        self._outbox.requeue(self._jobs, job_id)
        log.info("Job %s was requeued in the dashboard", job_id)

    def _ids(self, queue_name: str, registry_name: str) -> list[str]:
        queue = Queue(queue_name, connection=self._redis, serializer=JSONSerializer)
        registries: dict[str, BaseRegistry] = {
            "failed": queue.failed_job_registry,
            "canceled": queue.canceled_job_registry,
            "finished": queue.finished_job_registry,
            "started": queue.started_job_registry,
            "deferred": queue.deferred_job_registry,
            "scheduled": queue.scheduled_job_registry,
        }
        if registry_name == "queued":
            return queue.get_job_ids()
        if registry_name not in registries:
            raise ApiError("not_found", f"There is no registry '{registry_name}'.")
        return list(registries[registry_name].get_job_ids(cleanup=False))


def _answer(error: ApiError) -> FlaskAnswer:
    return error.body(), error.status, error.headers
