"""What all processes together know of the ended jobs of a shared store: of which kind each is, and when it ended. It
never changes, so one of them reads it once. With what a list of the store says it tells when a job is to be looked at,
by whatever rules are in force. Redis may lose it: then it is read again, of some jobs in each pass.

whisper:maintenance:ended  hash, by job: its kind, its end, and when its outcome was written
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from worker.runtime.connection import KEY_PREFIX
from worker.store.index.job_index import Seen
from worker.store.index.job_row import Ended
from worker.store.job_store import JobStore
from worker.store.records import JobRequest, Kind, Outcome

KEY = f"{KEY_PREFIX}maintenance:ended"
PIECE = 1000  # jobs that Redis is asked for at once
KINDS: dict[str, Kind] = {"sync": "sync", "job": "job"}
SLACK = 1000  # jobs that are known and gone, until they are looked for


@dataclass(frozen=True, slots=True)
class KnownEnd:
    kind: Kind
    ended_at: float
    written_at: float

    @classmethod
    def read(cls, value: bytes) -> KnownEnd | None:
        """None for what another version has written."""
        try:
            kind, ended_at, written_at = value.decode().split(" ")
            return cls(KINDS[kind], float(ended_at), float(written_at))
        except (ValueError, KeyError):
            return None

    def __str__(self) -> str:
        return f"{self.kind} {self.ended_at!r} {self.written_at!r}"


class KnownEnds:
    """due_at: when a job is to be looked at, in unix seconds, by its list and what is known of its end."""

    def __init__(self, redis: Redis, store: JobStore, due_at: Callable[[Ended | None, KnownEnd | None], float]) -> None:
        self._redis = redis
        self._store = store
        self._due_at = due_at
        self._put_off: dict[str, tuple[Ended | None, float]] = {}  # by job: until when, in unix seconds

    def due(self, seen: Iterable[Seen], now: float, most: int) -> list[Seen]:
        """So many of the jobs at most: the longest due first, and those last of which it is not known. seen: all that
        have ended. now: unix seconds."""
        put_off, self._put_off = self._put_off, {}
        count = 0

        def timed() -> Iterator[tuple[tuple[bool, float], Seen]]:
            nonlocal count
            jobs = iter(seen)
            while piece := list(itertools.islice(jobs, PIECE)):
                count += len(piece)
                for one, known in zip(piece, self._find(piece), strict=True):
                    until = put_off.get(one.id)
                    if until is not None and until[0] == one.ended and until[1] > now:
                        self._put_off[one.id] = until
                    elif (at := self._due_at(one.ended, known)) <= now:
                        yield (known is None, at or (one.ended.written_at if one.ended else 0.0)), one

        found = heapq.nsmallest(most, timed(), key=lambda each: each[0])
        self._forget_gone(count)
        return [one for _, one in found]

    def put_off(self, seen: Seen, again_at: float) -> None:
        """again_at: unix seconds."""
        self._put_off[seen.id] = seen.ended, again_at

    def looked_at(self, seen: Seen, request: JobRequest, outcome: Outcome, again_at: float) -> None:
        """There is nothing to do before `again_at`, in unix seconds."""
        if seen.ended is None:
            return
        known = KnownEnd(request.kind, outcome.ended_at, seen.ended.written_at)
        self._redis.hset(KEY, seen.id, str(known))
        if self._due_at(seen.ended, known) < again_at:  # it owes a webhook
            self.put_off(seen, again_at)

    def _find(self, jobs: Sequence[Seen]) -> list[KnownEnd | None]:
        """None also for what was known of an earlier end of the job."""
        values: Any = self._redis.hmget(KEY, [one.id for one in jobs])
        known = [KnownEnd.read(value) if value else None for value in values]
        return [
            end if end and one.ended and end.written_at == one.ended.written_at else None
            for one, end in zip(jobs, known, strict=True)
        ]

    def _forget_gone(self, count: int) -> None:
        """count: of jobs that have ended."""
        if self._redis.hlen(KEY) <= count + SLACK:
            return
        known: Any = self._redis.hkeys(KEY)
        gone = iter({job_id.decode() for job_id in known}.difference(self._store.ids()))
        while piece := list(itertools.islice(gone, PIECE)):
            self._redis.hdel(KEY, *piece)
