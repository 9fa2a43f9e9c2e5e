"""The workers of the running service: what each is, when it was last heard of, and whether its clock is right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from redis.exceptions import RedisError

from api.operations.present_workers import UNKNOWN, PresentWorker, present_workers, unserved
from scripts.doctor.finding import Finding, failure, ok, warning
from scripts.service.pid_file import Running
from worker.fleet.clock import redis_time
from worker.runtime.connection import connect_briefly
from worker.runtime.version import VERSION

MAX_SKEW = 1.0  # seconds; jobs and webhooks go by Redis' clock, but the times in its log are wrong by as much


def workers(running: Running | None, models: Sequence[str] = ()) -> Iterator[Finding]:
    """Nothing while the service does not run, or its Redis does not answer, of which another finding tells.

    models: that requests may name."""
    if running is None:
        return
    try:
        with connect_briefly(running.redis_url) as redis:
            found, now = present_workers(redis), redis_time(redis)
    except (RedisError, ValueError):
        return
    if not found:
        yield failure("worker", "None has been heard of for 15 s, so jobs wait. See the log of the machine it runs on.")
    for worker in found:
        yield _of(worker, now)
    for model in unserved(models, found) if found else ():
        yield warning("worker", f"None that runs serves {model}, so its jobs wait: add it to WHISPER_MODELS of one.")


def _of(worker: PresentWorker, now: float) -> Finding:
    """now: unix seconds by Redis' clock."""
    told, vitals = worker.heartbeat, worker.vitals
    what = " ".join(filter(None, (told.loaded.replace(",", " ") or told.model, told.engine, told.device)))
    detail = f"{told.name}: {'draining' if vitals.is_draining else told.state}, {what}"
    if told.state == "failed":
        return failure("worker", f"{detail}. {told.trouble}")
    if vitals == UNKNOWN:
        return warning("worker", f"{detail}. It tells no more: an earlier version? Restart the service.")
    last = f"last beat {max(0.0, now - vitals.beat_at):.0f} s ago, clock {vitals.skew:+.3f} s"
    detail = f"{detail}; version {vitals.version}, {vitals.jobs} jobs in hand, {last}"
    if abs(vitals.skew) > MAX_SKEW:
        return warning(
            "worker", f"{detail}. Its clock and Redis' differ: set both by NTP. Jobs and webhooks go by Redis'."
        )
    if vitals.version != VERSION:
        return warning("worker", f"{detail}. This is version {VERSION}: restart the service.")
    return ok("worker", detail)
