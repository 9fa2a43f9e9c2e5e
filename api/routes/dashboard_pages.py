"""The pages of the rq dashboard: those of the package, which read JSON only here and change jobs as the API does."""

from __future__ import annotations

import html
import json
import logging
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import rq_dashboard
from a2wsgi import WSGIMiddleware
from flask import Flask, Response, current_app, request
from redis import Redis
from redis.exceptions import ResponseError
from rq import Queue, Worker, requeue_job
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker
from starlette.datastructures import Headers
from starlette.types import ASGIApp

from api.http.errors import REDIS_AWAY, ApiError, redis_unavailable
from api.routes.dashboard import check_change
from api.routes.dashboard_actions import DashboardActions, FlaskAnswer

# What only shows. A page that a later version brings is none of these until somebody has looked at it.
_SHOWING = {"static"} | {
    f"rq_dashboard.{name}"
    for name in (
        "static", "favicon", "queues_overview", "workers_overview", "jobs_overview", "job_view", "list_queues",
        "list_jobs", "job_info", "list_workers",
    )
}  # fmt: skip


def pages(redis: Redis, redis_url: str, actions: DashboardActions, *, may_write: bool) -> ASGIApp:
    """All of them. Without `may_write` they only show."""
    app = _flask_app(redis, redis_url, may_write)
    actions.replace_views(app)
    return cast(ASGIApp, WSGIMiddleware(cast(Any, app), workers=4))  # both spell WSGI's types their own way


def _flask_app(redis: Redis, redis_url: str, may_write: bool) -> Flask:
    app = Flask(__name__, static_folder=str(Path(rq_dashboard.__file__).parent / "static"))
    app.config["RQ_DASHBOARD_REDIS_URL"] = redis_url
    app.config["RQ_DASHBOARD_DISABLE_DELETE"] = not may_write
    _read_json_only(rq_dashboard.web)
    rq_dashboard.web.setup_rq_connection(app)
    app.register_blueprint(rq_dashboard.blueprint)

    def check_endpoint() -> FlaskAnswer | None:
        # a path is what Flask's router makes of it, with slashes merged; some pages change the queues on a GET too
        if request.endpoint is None or request.endpoint in _SHOWING:
            return None
        try:
            check_change(request.method, Headers(dict(request.headers)), may_write=may_write)
        except ApiError as error:
            return error.body(), error.status, error.headers
        return None

    def use_our_connection() -> None:
        # the blueprint opens a new one for every request
        current_app.redis_conn = redis  # type: ignore[attr-defined]

    app.before_request(check_endpoint)
    app.before_request_funcs.setdefault(rq_dashboard.blueprint.name, []).append(use_our_connection)
    app.after_request(partial(_complete, redis))
    for error, status in ((NoSuchJobError, 404), (LookupError, 404), (ResponseError, 409)):
        app.register_error_handler(error, partial(_refuse, status))
    for away in REDIS_AWAY:
        app.register_error_handler(away, _on_redis_away)
    logging.getLogger("rq_dashboard").setLevel(logging.WARNING)
    return app


def _read_json_only(web: ModuleType) -> None:
    """The package asks its config for the serializer, except where it uses three names of RQ's as they are: a job's
    page, deleting, requeueing and the list of workers would unpickle what Redis holds. So these names are replaced;
    another version of the package, which may spell them otherwise, is refused."""
    web.config.serializer = JSONSerializer
    for name, of_rq, ours in _JSON_ONLY:
        if getattr(web, name, None) not in (of_rq, ours):
            raise RuntimeError(f"This version of rq-dashboard uses {name} otherwise: install the pinned one.")
        setattr(web, name, ours)


class _JSONJob(Job):
    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: Any = None) -> Job:  # noqa: A002 - as in RQ
        return super().fetch(id, connection=connection, serializer=JSONSerializer)


class _JSONWorker(Worker):
    @classmethod
    def all(
        cls,
        connection: Redis | None = None,
        job_class: type[Job] | None = None,
        queue_class: type[Queue] | None = None,
        queue: Queue | None = None,
        serializer: Any = None,
    ) -> list[BaseWorker]:
        return super().all(connection, job_class, queue_class, queue, JSONSerializer)


_JSON_ONLY = (
    ("Job", Job, _JSONJob),
    ("Worker", Worker, _JSONWorker),
    ("requeue_job", requeue_job, partial(requeue_job, serializer=JSONSerializer)),
)


def _on_redis_away(error: Exception) -> Response:
    answer = redis_unavailable().response()
    return Response(bytes(answer.body), answer.status_code, dict(answer.headers))


def _refuse(status: int, error: Exception) -> tuple[str, int]:
    return html.escape(f"{type(error).__name__}: {error}"), status


def _complete(redis: Redis, response: Response) -> Response:
    """Adds what our templates show of jobs. That of one job puts its fields into the document as they are, file names
    of uploads among them, and so they are escaped."""
    if not response.is_json or response.status_code != 200:
        return response
    body = response.get_json()
    if request.endpoint == "rq_dashboard.job_info":
        response.set_data(json.dumps(_escaped({**body, "meta": json.loads(body["metadata"])})))
    elif request.endpoint == "rq_dashboard.list_jobs":
        with redis.pipeline(transaction=False) as pipeline:
            for job in body["jobs"]:
                pipeline.hget(Job.key_for(job["id"]), "meta")
            metas = pipeline.execute()
        rows = [{**job, "meta": _meta(meta)} for job, meta in zip(body["jobs"], metas, strict=True)]
        response.set_data(json.dumps({**body, "jobs": rows}))
    return response


def _meta(content: bytes | None) -> dict[str, Any]:
    """What a slot wrote; nothing of what it did not."""
    try:
        meta = json.loads(content or b"{}")
    except ValueError:
        return {}
    return meta if isinstance(meta, dict) else {}


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, dict):
        return {_escaped(key): _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list) else value
