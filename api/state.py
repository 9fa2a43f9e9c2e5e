"""What the routes share, made once with the application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from redis import Redis

from api.admission import Admission
from api.callbacks import Callbacks
from api.desk import JobDesk
from api.models import ServedModels
from api.settings import ApiSettings
from api.waiting import Waiters
from worker.events import Events
from worker.store import JobStore


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
