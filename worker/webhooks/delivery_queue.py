"""When which webhook is due, in Redis: who sends, what next, and who has it in hand. The store has the truth.

whisper:webhooks:due          sorted set  job ids by the unix second of their next attempt
whisper:webhooks:claim:<id>   string      which sender has the job in hand; gone soon after that sender is
whisper:webhooks:scan         string      which sender reads the whole store just now
whisper:webhooks:read         string      there once a sender has; gone if Redis lost its contents
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from redis import Redis
from redis.exceptions import LockError
from redis.lock import Lock

from worker.queue.events import FEED, FEED_LENGTH
from worker.runtime.connection import KEY_PREFIX
from worker.runtime.timing import Timing

DUE = f"{KEY_PREFIX}webhooks:due"
CLAIM = f"{KEY_PREFIX}webhooks:claim:"
SCAN = f"{KEY_PREFIX}webhooks:scan"
READ = f"{KEY_PREFIX}webhooks:read"
AGAIN = "redeliver"  # what the feed says of a job whose message is to be sent again


class DeliveryQueue:
    """name: this sender's, or whatever else writes."""

    def __init__(self, redis: Redis, name: str = "", timing: Timing = Timing()) -> None:
        self._redis = redis
        self._name = name
        self._timing = timing
        self._claims: dict[str, Lock] = {}  # by job

    def put(self, job_id: str, at: float) -> None:
        """at: unix seconds."""
        self._redis.zadd(DUE, {job_id: at})

    def put_owed(self, jobs: dict[str, float]) -> None:
        """Those that stand there already keep their time, unless they are due sooner: a job that ran again has a new
        end to tell, whatever pause the message of its first one was in."""
        if jobs:
            self._redis.zadd(DUE, jobs, lt=True)

    def again(self, job_id: str, at: float) -> None:
        """Makes it due and wakes whoever sends."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zadd(DUE, {job_id: at})
        pipeline.xadd(FEED, {"job": job_id, "state": AGAIN}, maxlen=FEED_LENGTH, approximate=True)
        pipeline.execute()

    def remove(self, job_id: str) -> None:
        self._redis.zrem(DUE, job_id)

    def due(self, now: float, limit: int) -> list[str]:
        """The longest due first."""
        rows: Any = self._redis.zrangebyscore(DUE, "-inf", now, start=0, num=limit)
        return [row.decode() for row in rows]

    def next_at(self) -> float | None:
        rows: Any = self._redis.zrange(DUE, 0, 0, withscores=True)
        return float(rows[0][1]) if rows else None

    def counts(self, now: float) -> tuple[int, int]:
        """How many jobs have a webhook to be sent, and how many of them are due. now: unix seconds."""
        return int(self._redis.zcard(DUE)), int(self._redis.zcount(DUE, "-inf", now))

    def claim(self, job_id: str) -> bool:
        """Whether this sender may send it now; no other does until the claim is released or runs out."""
        claim = self._lock(CLAIM + job_id, self._timing.webhook_claim)
        if not claim.acquire(token=self._name):
            return False
        self._claims[job_id] = claim
        return True

    def renew(self, job_ids: Iterable[str]) -> None:
        """job_ids: all that this sender has in hand; the claims on others run out."""
        self._claims = {job_id: self._claims[job_id] for job_id in job_ids if job_id in self._claims}
        for claim in list(self._claims.values()):  # calls that end meanwhile release theirs
            with suppress(LockError):
                claim.reacquire()

    def release(self, job_id: str) -> None:
        if claim := self._claims.pop(job_id, None):
            _release(claim)

    @contextmanager
    def scanning(self) -> Iterator[bool]:
        """Whether it is this sender's turn to read the store."""
        turn = self._lock(SCAN, self._timing.webhook_scan_lock)
        is_ours = turn.acquire(token=self._name)
        try:
            yield is_ours
            if is_ours:
                self._redis.set(READ, "1")
        finally:
            if is_ours:
                _release(turn)

    def has_forgotten(self) -> bool:
        """Whether Redis knows of no scan of the store: it is new, or came back empty."""
        return not self._redis.exists(READ)

    def _lock(self, key: str, seconds: float) -> Lock:
        """One that runs out by itself; another thread than the one that took it may give it back."""
        return Lock(self._redis, key, timeout=seconds, blocking=False, thread_local=False)


def _release(lock: Lock) -> None:
    """Gives it back, unless it ran out meanwhile and may be another's now."""
    with suppress(LockError):
        lock.release()
