"""What all processes have counted, added up in Redis, so that any API process can be asked for it, and the death of a
process takes nothing away.

whisper:metrics  hash  sample (name and labels, as JSON) -> its sum over all processes

A process adds what came since its last time, with its heartbeat. If Redis loses its contents the sums begin at 0 again,
which Prometheus takes for what it is.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from redis import Redis
from redis.exceptions import RedisError

from worker.runtime.connection import KEY_PREFIX
from worker.telemetry.instruments import REGISTRY

KEY = f"{KEY_PREFIX}metrics"

log = logging.getLogger(__name__)


class Totals:
    """This process's share in them. registry: what it counts in."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        self._added: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def add_up(self, redis: Redis) -> None:
        """Adds what was counted since the last time. Raises RedisError; then it is added the next time."""
        with self._lock:
            now = {_key(sample.name, sample.labels): sample.value for sample in _samples(self._registry)}
            more = {key: value - self._added[key] for key, value in now.items() if value != self._added[key]}
            if not more:
                return
            with redis.pipeline() as pipeline:
                for key, value in more.items():
                    pipeline.hincrbyfloat(KEY, key, value)
                pipeline.execute()
            self._added.update(now)

    def keep_adding(self, redis: Redis, every: float) -> None:
        """Does so from now on, on a thread. every: seconds."""
        threading.Thread(target=self._keep_adding, args=(redis, every), name="totals", daemon=True).start()

    def _keep_adding(self, redis: Redis, every: float) -> None:
        while True:
            time.sleep(every)
            try:
                self.add_up(redis)
            except RedisError as error:
                log.debug("What was counted waits for Redis: %s", error)
            except Exception:
                log.exception("What was counted could not be added up")


def read_totals(redis: Redis, registry: CollectorRegistry = REGISTRY) -> Iterator[Metric]:
    """All that is counted, over all processes. What another version counts and this one does not know is left out."""
    rows: Any = redis.hgetall(KEY)
    sums: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
    for key, value in rows.items():
        name, labels = json.loads(key)
        sums[name].append((labels, float(value)))
    for known in registry.collect():
        metric = Metric(known.name, known.documentation, known.type)
        for name in _names(known):
            for labels, value in sorted(sums[name], key=lambda row: _in_order(row[0])):
                metric.add_sample(name, labels, value)
        yield metric


def _names(metric: Metric) -> tuple[str, ...]:
    if metric.type == "histogram":
        return f"{metric.name}_bucket", f"{metric.name}_count", f"{metric.name}_sum"
    return (f"{metric.name}_total",)


def _in_order(labels: dict[str, str]) -> tuple[list[tuple[str, str]], float]:
    """By their other labels first; the buckets of a histogram then stand together, and grow."""
    return sorted(row for row in labels.items() if row[0] != "le"), float(labels.get("le", 0))


def _samples(registry: CollectorRegistry) -> Iterator[Any]:
    return (sample for metric in registry.collect() for sample in metric.samples)


def _key(name: str, labels: dict[str, str]) -> str:
    return json.dumps([name, dict(sorted(labels.items()))])
