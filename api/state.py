"""What the routes share, made once with the application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from redis import Redis

from api.answers.open_answers import OpenAnswers
from api.answers.playable import PlayableCopies
from api.answers.waiting import Waiters
from api.http.redis_threads import RedisThreads
from api.http.sessions.cookie import Sessions
from api.intake.admission import Admission
from api.intake.served_models import ServedModels
from api.intake.webhook_fields import Callbacks
from api.operations.gauges import Gauges
from api.settings import ApiSettings
from worker.drain import DrainRequest
from worker.fleet.clock import RedisClock
from worker.fleet.store_note import StoreNote
from worker.jobs.job_service import JobService
from worker.outbound.early_check import EarlyCheck
from worker.queue.events import Events
from worker.runtime.timing import Timing
from worker.store.job_store import JobStore


@dataclass(frozen=True, slots=True)
class AppState:
    """Hangs on the application's state as `service`."""

    settings: ApiSettings
    sessions: Sessions
    timing: Timing
    clock: RedisClock
    store: JobStore
    redis: Redis
    redis_threads: RedisThreads
    events: Events
    jobs: JobService
    admission: Admission
    open_answers: OpenAnswers
    waiters: Waiters
    playable: PlayableCopies
    models: ServedModels
    callbacks: Callbacks
    source_urls: EarlyCheck
    max_audio_hours: float
    gauges: Gauges
    drain: DrainRequest
    store_note: StoreNote
    check_speakers: Callable[[], None]  # raises EngineUnavailable if they cannot be told apart


async def _service(request: Request) -> AppState:
    service: AppState = request.app.state.service
    return service


AppStateDep = Annotated[AppState, Depends(_service)]
