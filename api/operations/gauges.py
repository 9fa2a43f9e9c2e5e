"""What /metrics says besides what is counted: how things stand when it is asked. Nothing reads the whole store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from redis import Redis
from redis.exceptions import RedisError

from api.intake.admission import Admission
from api.operations.present_workers import PresentWorker, present_workers
from worker.fleet.clock import Clock
from worker.jobs.backlog import Backlog
from worker.queue.job_queue import JobQueue
from worker.runtime.version import VERSION
from worker.store.job_store import JobStore
from worker.store.records import PRIORITIES, upload_began_at
from worker.telemetry.instruments import model_label
from worker.telemetry.totals import Totals, read_totals
from worker.webhooks.delivery_queue import DeliveryQueue

K = TypeVar("K", bound=str)
V = TypeVar("V")
Rows = Iterable[tuple[Sequence[str], float]]  # the values of the labels, and the value


@dataclass(frozen=True, slots=True)
class Gauges:
    """models: that are served. `collect` blocks: run it in a thread."""

    store: JobStore
    redis: Redis
    queue: JobQueue
    backlog: Backlog
    admission: Admission
    deliveries: DeliveryQueue
    models: Sequence[str]
    totals: Totals
    clock: Clock

    def collect(self) -> Iterator[Metric]:
        """As a collector of prometheus-client. Without Redis only what is known here, and that it is away."""
        yield _gauge("info", "The version that answers", [((VERSION,), 1)], "version")
        yield _gauge("store_free_bytes", "Free room for WHISPER_DATA_DIR", [((), self.store.free_bytes())])
        yield _gauge("uploads_open", "Uploads that come in to this API process", [((), self.admission.uploads)])
        try:
            found = [*self._of_queues(), *_of_workers(present_workers(self.redis), self.models), *self._of_webhooks()]
            self.totals.add_up(self.redis)
            found += read_totals(self.redis)
        except RedisError:
            found = []
        yield _gauge("redis_up", "Whether Redis answers", [((), bool(found))])
        yield from found

    def _of_queues(self) -> Iterator[Metric]:
        waiting, now = self.queue.ids_by_queue(), self.clock.now()
        yield _gauge("queue_jobs", "Jobs that wait for a slot", _each(waiting, len), "queue")
        seconds = [((name,), self.backlog.audio_seconds(name, waiting[name])) for name in PRIORITIES]
        yield _gauge("queue_audio_seconds", "Seconds of audio that wait, as the files declare", seconds, "queue")
        ages = _each(waiting, lambda ids: max(0.0, now - upload_began_at(min(ids))) if ids else 0.0)
        yield _gauge("queue_oldest_seconds", "Age of the oldest job that waits", ages, "queue")

    def _of_webhooks(self) -> Iterator[Metric]:
        pending, due = self.deliveries.counts(self.clock.now())
        yield _gauge("webhook_pending", "Jobs with a webhook to be delivered", [((), pending)])
        yield _gauge("webhook_due", "Those of them whose next attempt is due", [((), due)])


def _of_workers(workers: Sequence[PresentWorker], models: Sequence[str]) -> Iterator[Metric]:
    labels = [(each.vitals.host, each.heartbeat.engine, each.heartbeat.device) for each in workers]
    of_each = list(zip(labels, workers, strict=True))
    names = ("worker", "engine", "device")
    takes = [(row, float(each.takes_work)) for row, each in of_each]
    yield _gauge("worker_up", "Whether a worker takes work", takes, *names)
    skews = [(row[:1], each.vitals.skew) for row, each in of_each]
    yield _gauge("worker_clock_skew_seconds", "By how much its clock is ahead of Redis'", skews, "worker")
    yield _gauge("worker_jobs", "Jobs in hand", [(row, each.vitals.jobs) for row, each in of_each], *names)
    yield _gauge("lanes", "Passes that may run at once", [((), sum(each.vitals.lanes for each in workers))])
    busy = sum(each.vitals.busy_lanes for each in workers)
    yield _gauge("lanes_busy", "Passes that run; with those of express lanes, more than lanes", [((), busy)])
    loaded = [name for each in workers for name in each.loaded]
    held = {model_label(name): 0.0 for name in models}
    for name in loaded:
        held[model_label(name)] = held.get(model_label(name), 0.0) + 1
    yield _gauge("model_loaded", "In how many workers' memory a model is", _each(held, float), "model")


def _each(values: Mapping[K, V], measure: Callable[[V], float]) -> list[tuple[tuple[K], float]]:
    return [((name,), measure(value)) for name, value in values.items()]


def _gauge(name: str, meaning: str, rows: Rows, *labels: str) -> Metric:
    """Rows with the same labels are added up: two workers of one machine, say."""
    family = GaugeMetricFamily(f"whisper_{name}", meaning, labels=labels)
    sums: dict[tuple[str, ...], float] = {}
    for values, value in rows:
        sums[tuple(values)] = sums.get(tuple(values), 0.0) + value
    for values, value in sums.items():
        family.add_metric(values, value)
    return family
