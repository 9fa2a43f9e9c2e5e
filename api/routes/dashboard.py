"""The rq dashboard at /rq: shows the queues, and changes them only if a setting allows it."""

from __future__ import annotations

from redis import Redis
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.cross_origin import is_same_origin
from api.http.errors import ApiError
from worker.fleet.clock import Clock
from worker.jobs.job_service import JobService
from worker.store.job_store import JobStore

PATH = "/rq"


class Dashboard:
    """The mounted dashboard. Without `may_write` it only shows."""

    def __init__(
        self, redis: Redis, redis_url: str, jobs: JobService, store: JobStore, clock: Clock, *, may_write: bool
    ) -> None:
        self._redis = redis
        self._redis_url = redis_url
        self._jobs = jobs
        self._store = store
        self._clock = clock
        self._may_write = may_write
        self._pages: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope)
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        if self._pages is None:
            self._pages = await run_in_threadpool(self._open)
        await self._pages(scope, receive, send)

    def _open(self) -> ASGIApp:
        # not before somebody opens it: Flask and what it needs would be a tenth of the API's start
        from api.routes.dashboard_actions import DashboardActions
        from api.routes.dashboard_pages import pages

        actions = DashboardActions(self._jobs, self._store, self._redis, self._clock)
        return pages(self._redis, self._redis_url, actions, may_write=self._may_write)

    def _check(self, scope: Scope) -> None:
        if scope["type"] != "http":
            raise ApiError("not_found", "There is nothing here.")
        if scope["method"] not in ("GET", "HEAD"):  # the body of what is refused is not read
            check_change(scope["method"], Headers(scope=scope), may_write=self._may_write)


def check_change(method: str, headers: Headers, *, may_write: bool) -> None:
    """Raises ApiError unless a request may change the queues."""
    if not may_write:
        message = "The dashboard only shows. Set WHISPER_DASHBOARD_WRITE=true to requeue and delete jobs with it."
        raise ApiError("dashboard_read_only", message)
    if method != "POST" or not is_same_origin(headers):
        raise ApiError("origin_not_allowed", "Only the dashboard's own pages may change the queues.")
