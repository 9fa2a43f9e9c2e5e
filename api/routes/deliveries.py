"""A job's webhooks: what became of them, and once more."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from api.http.access import Owner
from api.http.errors import ApiError
from api.schema import jobs
from api.schema.responses import json_answer
from api.state import AppState, AppStateDep
from worker.store.records import JobRequest
from worker.webhooks.delivery_queue import DeliveryQueue
from worker.webhooks.outbox import Delivery, Outbox

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

log = logging.getLogger(__name__)


@router.get(
    "/{job_id}/deliveries", response_model=None, responses=json_answer(jobs.DeliveryList, "The webhook messages")
)
async def list_deliveries(job_id: str, service: AppStateDep, owner: Owner) -> dict[str, Any]:
    """The job's webhooks with all attempts: none before it has ended, then one."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    delivery = await run_in_threadpool(Outbox(service.store).delivery, job)
    return {"object": "list", "data": [_view(delivery)] if delivery else []}


@router.post(
    "/{job_id}/redeliver",
    status_code=202,
    response_model=None,
    responses=json_answer(jobs.Delivery, "The webhook message", 202),
)
async def redeliver(job_id: str, service: AppStateDep, owner: Owner) -> dict[str, Any]:
    """Sends the webhook again, with the same id, and begins its schedule anew."""
    job = await run_in_threadpool(service.jobs.request, job_id, owner)
    return _view(await service.redis_threads.run(_again, service, job))


def _again(service: AppState, job: JobRequest) -> Delivery:
    outbox = Outbox(service.store, now=service.clock.now)
    if job.webhook is None:
        raise ApiError("no_webhook", f"The job {job.id} was sent without a 'webhook_url'.", param="id")
    if outbox.delivery(job) is None:
        raise ApiError("job_not_finished", f"The job {job.id} has not ended; it calls back when it does.", param="id")
    outbox.again(job.id)
    try:
        DeliveryQueue(service.redis, timing=service.timing).again(job.id, service.clock.now())
    except RedisError as error:  # it stands in the store, where the sender looks every minute
        log.warning("%s is due for redelivery, but Redis could not be told: %s", job.id, error)
    delivery = outbox.delivery(job)
    assert delivery is not None
    return delivery


def _view(delivery: Delivery) -> dict[str, Any]:
    """Times are unix seconds."""
    return {
        "id": delivery.id,
        "object": "webhook.delivery",
        "type": delivery.type,
        "url": delivery.url,
        "status": delivery.state,
        "next_attempt_at": delivery.next_at,
        "attempts": [
            {"at": row.at, "seconds": row.seconds, "response_status": row.status, "error": row.error}
            for row in delivery.attempts
        ],
    }
