"""What the routes share, made once with the application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from redis import Redis

from api.answers.waiting import Waiters
from api.intake.admission import Admission
from api.intake.served_models import ServedModels
from api.intake.webhook_fields import Callbacks
from api.settings import ApiSettings
from worker.jobs.job_service import JobDesk
from worker.queue.events import Events
from worker.store.job_store import JobStore


@dataclass(frozen=True, slots=True)
class Service:
    """Hangs on the application's state as `service`."""

    settings: ApiSettings
    store: JobStore
    redis: Redis
    events: Events
    desk: JobDesk
    admission: Admission
    waiters: Waiters
    models: ServedModels
    callbacks: Callbacks


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(_service)]
