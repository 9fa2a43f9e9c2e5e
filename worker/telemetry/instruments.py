"""What is counted and timed, by the process in which it happens. `Totals` brings it together.

They are the module's, as usual with Prometheus: whoever counts imports what is counted. Labels have few values, known
beforehand: never a job's id, an owner, a file or the host of a receiver.
"""

from __future__ import annotations

import re

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody asks when a process began to count

PREFIX = "whisper_"
REGISTRY = CollectorRegistry()

_WAITS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)  # seconds
_LASTS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)  # seconds
_PASSES = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0)  # seconds

JOBS = Counter(
    "whisper_jobs_total",
    "Jobs that ended; code: why one failed",
    ("state", "code"),
    registry=REGISTRY,
)
JOB_SECONDS = Histogram(
    "whisper_job_seconds",
    "Seconds from the beginning of a job's upload to its end",
    ("state",),
    buckets=_LASTS,
    registry=REGISTRY,
)
QUEUE_WAIT = Histogram(
    "whisper_queue_wait_seconds",
    "Seconds a job waited for a slot, until it was first begun",
    ("queue",),
    buckets=_WAITS,
    registry=REGISTRY,
)
AUDIO_SECONDS = Counter(
    "whisper_audio_seconds_total", "Seconds of audio that were transcribed", ("engine", "model"), registry=REGISTRY
)
REALTIME_FACTOR = Histogram(
    "whisper_realtime_factor",
    "Seconds of audio for each second a job ran, of jobs that ran in one go",
    buckets=(0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500),
    registry=REGISTRY,
)
BATCH_WINDOWS = Histogram(
    "whisper_batch_windows",
    "Windows in one pass of a model",
    buckets=(1, 2, 4, 8, 12, 16, 24, 32, 64),
    registry=REGISTRY,
)
TAKEOVERS = Counter("whisper_takeovers_total", "Jobs that were taken from a dead or silent worker", registry=REGISTRY)
MAINTENANCE_PASS = Histogram(
    "whisper_maintenance_pass_seconds", "Seconds a pass of maintenance took", buckets=_PASSES, registry=REGISTRY
)
WEBHOOK_ATTEMPTS = Counter(
    "whisper_webhook_attempts_total",
    "Attempts to deliver a webhook: delivered, pending (to be retried), gone, exhausted",
    ("result",),
    registry=REGISTRY,
)


def count_end(seconds: float, state: str, code: str = "") -> None:
    """A job has its outcome. seconds: since its upload began. code: of the error, if it failed."""
    JOBS.labels(state, code).inc()
    JOB_SECONDS.labels(state).observe(max(0.0, seconds))


def model_label(model: str) -> str:
    """The model's name, or `local` for a directory: paths are no labels."""
    is_path = re.match(r"[~./\\]|[A-Za-z]:", model) or "\\" in model or model.count("/") > 1
    return "local" if is_path else model
