"""GET /metrics: what Prometheus asks for, of all processes of the service in one place."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.operations.gauges import Gauges
from api.state import AppState, AppStateDep

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(service: AppStateDep) -> Response:
    """In the text format that every version of Prometheus reads."""
    return Response(await service.redis_threads.run(_exposition, service), media_type=CONTENT_TYPE)


def _exposition(service: AppState) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(service.gauges))
    return generate_latest(registry)


class _Once(Collector):
    """Gathers when it is asked for what it has, and not when it is registered."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        return self._gauges.collect()
