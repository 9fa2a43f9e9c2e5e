"""Which store the processes on one Redis serve, and by which protocol. It may be one store alone, or jobs would be
looked for where they are not.

whisper:store:<id>  string that expires some seconds after the last process of that store has said that it lives: where
                    it lies, for people
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import RedisError

from worker.fleet.protocol import announce_protocol, problem_with_versions
from worker.runtime.connection import KEY_PREFIX, connect_briefly
from worker.runtime.exit_codes import STORE_AWAY
from worker.runtime.timing import Timing
from worker.store.errors import StoreAway, StoreUnfit
from worker.store.factory import StoreSettings, bucket_at, identity, place, place_of
from worker.store.store_id import store_id

if TYPE_CHECKING:
    from worker.fleet.served_by import ServedBy

_STORE = f"{KEY_PREFIX}store:"


class StoreNote:
    """Of the store in this directory, in which its id is made at the first call; or of a shared one. shared: its id and
    where it is; served_by: its note of the other direction."""

    def __init__(
        self,
        data_dir: Path,
        timing: Timing = Timing(),
        shared: tuple[str, str] | None = None,
        served_by: ServedBy | None = None,
    ) -> None:
        self._directory = data_dir
        self._timing = timing
        self._shared = shared
        self._served_by = served_by

    @classmethod
    def by_settings(cls, settings: StoreSettings, timing: Timing) -> StoreNote:
        """Raises StoreUnfit."""
        if not settings.store:
            return cls(settings.data_dir, timing)
        shared = identity(settings), place(settings)
        from worker.fleet.served_by import ServedBy  # not before: the client of object stores may be missing

        bucket = bucket_at(settings.store, settings.store_config)
        return cls(settings.data_dir, timing, shared, ServedBy(bucket, place(settings), timing))

    @classmethod
    def refused_at_start(cls, settings: StoreSettings, timing: Timing, redis_url: str) -> int:
        """The exit code of a process that must not start with this store on that Redis, which has said why and what
        to do; 0 if it may."""
        code = 1
        try:
            problem = cls.by_settings(settings, timing).problem(redis_url)
        except StoreUnfit as error:
            problem, code = str(error), STORE_AWAY if isinstance(error, StoreAway) else 1
        if problem:
            print(problem, file=sys.stderr)
        return code if problem else 0

    @property
    def id(self) -> str:
        return self._shared[0] if self._shared else store_id(self._directory)

    def tell(self, redis: Redis) -> None:
        """To be called with every beat."""
        where = self._shared[1] if self._shared else place_of(self._directory)
        with redis.pipeline(transaction=False) as pipeline:
            announce_store(pipeline, self.id, where, self._timing)
            announce_protocol(pipeline, self._timing)
            pipeline.execute()
        if self._served_by:
            self._served_by.tell(redis)

    def others(self, redis: Redis) -> list[str]:
        """Where other stores lie whose processes are alive; none if Redis does not say."""
        try:
            return other_stores(redis, self.id)
        except RedisError:
            return []

    def problem(self, url: str) -> str | None:
        """Why a process with this store must not start on that Redis, and what to do. If Redis does not answer, it may
        start, and a job that it finds no record of tells."""
        with connect_briefly(url) as redis:
            if found := problem_with(self.others(redis)):
                return found
            try:
                if found := problem_with_versions(redis):
                    return found
                if self._served_by and (found := self._served_by.problem(redis)):
                    return found
                self.tell(redis)
            except (RedisError, OSError):
                return None
            return problem_with(self.others(redis))  # one that started at this moment


def problem_with(others: Sequence[str]) -> str | None:
    """others: of `other_stores`."""
    if not others:
        return None
    return (
        f"Redis at WHISPER_REDIS_URL has the queues of another data directory, {others[0][:300]}. To serve the same "
        "jobs, set WHISPER_DATA_DIR or WHISPER_STORE to that one; or give this service a database of its own "
        "(redis://host:6379/1); or stop the other one, and try again after 15 s."
    )


def announce_store(redis: Redis, store: str, place: str, timing: Timing = Timing()) -> None:
    """Says whose jobs are in this Redis. store: its id; place: for people."""
    redis.set(f"{_STORE}{store}", place, px=round(timing.presence * 1000))


def is_served(redis: Redis, store: str) -> bool:
    """Whether processes of this store are alive."""
    return bool(redis.exists(f"{_STORE}{store}"))


def other_stores(redis: Redis, store: str) -> list[str]:
    """Where other data directories lie whose processes are alive."""
    keys: list[Any] = [key for key in redis.scan_iter(f"{_STORE}*", count=1000) if key.decode() != f"{_STORE}{store}"]
    places: list[Any] = redis.mget(keys) if keys else []
    return sorted(place.decode(errors="replace") for place in places if place is not None)
