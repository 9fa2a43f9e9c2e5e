"""The application: layers, routes, and what runs beside them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from fastapi import FastAPI, Request
from redis import Redis
from redis.exceptions import RedisError
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse, Response

from api.answers.open_answers import OpenAnswers
from api.answers.playable import PlayableCopies
from api.answers.waiting import Waiters
from api.http.access import Access
from api.http.access_log import AccessLog
from api.http.cross_origin import CrossOrigin
from api.http.errors import add_error_handlers
from api.http.openapi import describe, operation_id
from api.http.redis_threads import RedisThreads
from api.http.refused_upload_drain import RefusedUploadDrain
from api.http.request_line import RequestLine
from api.http.sessions.cookie import Sessions
from api.http.sessions.secret import session_secret
from api.intake.admission import Admission
from api.intake.served_models import ServedModels
from api.intake.webhook_fields import Callbacks
from api.operations.gauges import Gauges
from api.operations.traces import Traces
from api.page import routes as page_files
from api.page import sessions
from api.routes import audio, deliveries, documentation, health, jobs, models, transcripts
from api.routes.dashboard import PATH, Dashboard
from api.routes.doors import asr, whisper_cpp
from api.routes.operations import metrics, workers
from api.settings import ApiSettings
from api.state import AppState
from engines.speakers.networks.availability import check_installed
from worker.drain import DrainRequest
from worker.fleet.clock import RedisClock
from worker.fleet.store_note import StoreNote
from worker.jobs.backlog import Backlog
from worker.jobs.expiry import Expiry
from worker.jobs.job_service import JobService
from worker.maintenance.maintenance import Maintenance
from worker.outbound.download import WHAT
from worker.outbound.early_check import EarlyCheck
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.runtime.version import VERSION
from worker.settings import WorkerSettings
from worker.store.job_store import JobStore
from worker.telemetry.totals import Totals
from worker.webhooks.delivery_queue import DeliveryQueue

log = logging.getLogger(__name__)


def create_app(
    settings: ApiSettings,
    worker_settings: WorkerSettings,
    *,
    store: JobStore,
    redis: Redis,
    feed: Redis | None = None,
    timing: Timing = Timing(),
    connections: int = 10_000,
) -> FastAPI:
    """The service's HTTP face. Its lifespan follows the feed and keeps the store and the queues in order.

    feed: a client whose reads may block; None for the one that does the rest. connections: how many there may be.
    """
    clock = RedisClock()
    queue = JobQueue(redis, timing=timing, clock=clock, shows_names=worker_settings.dashboard_filenames)
    events = Events(redis)
    is_shared = settings.has_several_owners
    backlog = Backlog(
        store,
        queue,
        max_jobs=settings.max_queued_jobs,
        max_hours=settings.max_queued_hours,
        timing=timing,
        is_shared=is_shared,
    )
    maintenance = Maintenance(store, queue, events, redis, worker_settings.keep, timing, clock)
    expiry = Expiry(store, worker_settings.keep.jobs, timing)
    job_service, redis_threads = JobService(store, queue, events, backlog, expiry), RedisThreads()
    drain = DrainRequest.of(worker_settings.data_dir)
    admission = Admission(
        backlog, settings.max_uploads, redis_threads, timing, is_shared=is_shared, is_draining=drain.is_there
    )
    sign_ins = Sessions(partial(session_secret, worker_settings.data_dir), settings.api_keys)
    service = AppState(
        settings=settings,
        sessions=sign_ins,
        timing=timing,
        clock=clock,
        store=store,
        redis=redis,
        redis_threads=redis_threads,
        events=events,
        jobs=job_service,
        admission=admission,
        open_answers=OpenAnswers(connections, is_shared=is_shared),
        waiters=Waiters(store, feed or redis, _give_up(job_service, redis_threads), timing),
        playable=PlayableCopies(store, settings.min_free_bytes),
        models=ServedModels(worker_settings.model_names, created=int(time.time())),
        callbacks=Callbacks(worker_settings, timing.names),
        source_urls=EarlyCheck(worker_settings.url_policy, WHAT, timing.names),
        drain=drain,
        store_note=StoreNote.by_settings(worker_settings, timing),
        max_audio_hours=worker_settings.max_audio_hours,
        gauges=Gauges(
            store,
            redis,
            queue,
            backlog,
            admission,
            DeliveryQueue(redis, timing=timing),
            worker_settings.model_names.all,
            Totals(),
            clock,
        ),
        check_speakers=partial(check_installed, worker_settings.speaker_model, worker_settings.data_dir),
    )
    app = FastAPI(
        title="whisper-native",
        version=VERSION,
        description="Transcription with the OpenAI audio API, and durable jobs.",
        lifespan=_lifespan(service, maintenance),
        middleware=[
            Middleware(RequestLine),
            Middleware(Traces),  # whoever is further out copies the scope, and with it what the router finds
            Middleware(CrossOrigin, settings=settings),
            Middleware(AccessLog),
            Middleware(RefusedUploadDrain),
            Middleware(Access, settings=settings, sessions=sign_ins),
        ],
        docs_url=None,  # its page loads scripts from elsewhere; ours does not
        redoc_url=None,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,  # a redirect has no error's shape, and loses an upload on its way
    )
    app.state.service = service
    add_error_handlers(app)
    # /v1/jobs/export comes before /v1/jobs/{job_id}
    of_jobs = (transcripts, jobs, deliveries)
    for_people = (page_files, sessions, documentation)
    for routes in (audio, models, *of_jobs, health, workers, metrics, *for_people, asr, whisper_cpp):
        app.include_router(routes.router)
    describe(app, server=worker_settings.public_url or "/", needs_key=settings.needs_key)
    redis_url = worker_settings.redis_url or "redis://localhost"
    app.add_route(PATH, _to_dashboard, include_in_schema=False)
    dashboard = Dashboard(redis, redis_url, job_service, store, clock, may_write=settings.dashboard_write)
    app.mount(PATH, dashboard)
    return app


async def _to_dashboard(request: Request) -> Response:
    return RedirectResponse(f"{PATH}/")  # its pages name each other relative to this


def _lifespan(service: AppState, maintenance: Maintenance) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.waiters.start()
        upkeep = asyncio.create_task(_maintain(maintenance, service))
        try:
            yield
        finally:
            upkeep.cancel()
            await asyncio.wait({upkeep})
            await service.waiters.stop()
            await service.playable.stop()

    return lifespan


def _give_up(job_service: JobService, redis_threads: RedisThreads) -> Callable[[str], Awaitable[None]]:
    async def give_up(job_id: str) -> None:
        await redis_threads.run(job_service.give_up, job_id)

    return give_up


async def _maintain(maintenance: Maintenance, service: AppState) -> None:
    every = service.timing.maintenance
    while True:
        try:
            await service.redis_threads.run(_keep_in_step, maintenance, service)
        except RedisError as error:
            log.warning("Maintenance waits for Redis: %s", error)
        except OSError as error:  # a full disk, or no file left to open
            log.warning("Maintenance failed; the next round is in %.0f s: %s", every, error)
        except Exception:
            log.exception("Maintenance failed; the next round is in %.0f s", every)
        await asyncio.sleep(every)


def _keep_in_step(maintenance: Maintenance, service: AppState) -> None:
    service.clock.measure(service.redis)
    service.store_note.tell(service.redis)
    maintenance.run_once()
    service.gauges.totals.add_up(service.redis)
