"""What a job tells the world while it runs: a small hash to look at, a stream to follow, one feed for all ends.

whisper:status:<id>  hash    started_at, processed, total (seconds of audio), segments
whisper:events:<id>  stream  every event of one job, capped
whisper:feed         stream  state changes of all jobs, capped: what waiting clients and running slots hang on
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from worker.connection import KEY_PREFIX

FEED = f"{KEY_PREFIX}feed"
FEED_LENGTH = 10_000  # entries, about
EVENTS_LENGTH = 20_000  # entries of one job, about
EVENTS_TTL = 24 * 3600  # seconds
BLOCK_MS = 2_000  # shorter than any socket timeout, so a quiet feed is no error

log = logging.getLogger(__name__)


class Events:
    """Writes and reads the live side of jobs. Nothing here is the truth: the store is."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def state(self, job_id: str, state: str) -> None:
        """Tells everyone who follows that a job changed its state."""
        pipeline = self._redis.pipeline(transaction=False)
        self._add(pipeline, job_id, "state", {"state": state})
        pipeline.xadd(FEED, {"job": job_id, "state": state}, maxlen=FEED_LENGTH, approximate=True)
        pipeline.execute()

    def publish(self, job_id: str, event: str, data: dict[str, Any]) -> None:
        """Adds an event to the job's own stream."""
        pipeline = self._redis.pipeline(transaction=False)
        self._add(pipeline, job_id, event, data)
        pipeline.execute()

    def progress(self, job_id: str, **fields: float | int) -> None:
        """Updates the job's live status and tells it to its stream."""
        pipeline = self._redis.pipeline(transaction=False)
        key = f"{KEY_PREFIX}status:{job_id}"
        pipeline.hset(key, mapping={name: str(value) for name, value in fields.items()})
        pipeline.expire(key, EVENTS_TTL)
        self._add(pipeline, job_id, "progress", dict(fields))
        pipeline.execute()

    def status(self, job_id: str) -> dict[str, float]:
        """The live status, empty where the job has not started."""
        raw: dict[bytes, bytes] = self._redis.hgetall(f"{KEY_PREFIX}status:{job_id}")  # type: ignore[assignment]
        return {name.decode(): float(value) for name, value in raw.items()}

    def forget(self, job_id: str) -> None:
        self._redis.delete(f"{KEY_PREFIX}status:{job_id}", f"{KEY_PREFIX}events:{job_id}")

    def _add(self, pipeline: Any, job_id: str, event: str, data: dict[str, Any]) -> None:
        key = f"{KEY_PREFIX}events:{job_id}"
        fields = {"event": event, "data": json.dumps(data, ensure_ascii=False)}
        pipeline.xadd(key, fields, maxlen=EVENTS_LENGTH, approximate=True)
        pipeline.expire(key, EVENTS_TTL)


class FeedReader:
    """One thread a process that follows the feed and calls `on_state(job_id, state)`.

    `on_gap()` is called after Redis was away or the reader started, since states may have been missed then.
    """

    def __init__(self, redis: Redis, on_state: Callable[[str, str], None], on_gap: Callable[[], None]) -> None:
        self._redis = redis
        self._on_state = on_state
        self._on_gap = on_gap
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=BLOCK_MS / 1000 + 1)

    def _run(self) -> None:
        last: bytes | None = None
        while not self._stopped.is_set():
            try:
                if last is None:
                    last = self._newest()
                    self._handle(self._on_gap)
                last = self._follow(last)
            except RedisError as error:
                log.warning("The feed is interrupted: %s", error)
                last = None
                time.sleep(0.5)

    def _newest(self) -> bytes:
        newest: Any = self._redis.xrevrange(FEED, count=1)
        return newest[0][0] if newest else b"0-0"

    def _follow(self, last: bytes) -> bytes:
        answer: Any = self._redis.xread({FEED: last}, block=BLOCK_MS, count=500)
        for _, entries in answer or []:
            for entry_id, fields in entries:
                last = entry_id
                if b"job" in fields and b"state" in fields:
                    self._handle(self._on_state, fields[b"job"].decode(), fields[b"state"].decode())
        return last

    def _handle(self, call: Callable[..., None], *args: str) -> None:
        """One change that could not be handled must not hide those that follow."""
        try:
            call(*args)
        except Exception:
            log.exception("A change of state could not be handled")
