"""Which Redis a shared store is served on, noted in the store: on two, each job would be done twice, or by nobody.

served-by  object: the name of a database, where it is, and a word that changes each time a process of it says so

Whose clock is right is not asked: a note counts if it is renewed while somebody watches.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from typing import Any
from uuid import uuid4

from redis import Redis

from worker.runtime.connection import KEY_PREFIX
from worker.runtime.timing import Timing
from worker.store.objects.bucket import Bucket

NOTE = "served-by"
_NAME = f"{KEY_PREFIX}database"  # of this database of this Redis: gone, and made anew, with its contents
_TOLD = f"{KEY_PREFIX}database:told"  # by one of all processes, for a while

log = logging.getLogger(__name__)


class ServedBy:
    """May be used from any thread. place: of the store, for people."""

    def __init__(self, bucket: Bucket, place: str, timing: Timing) -> None:
        self._bucket = bucket
        self._place = place
        self._timing = timing
        self._named = ""  # what we said last

    def tell(self, redis: Redis) -> None:
        """With every beat, by every process: one of them writes now and then, on a thread, as the store may be slow."""
        if redis.set(_TOLD, "1", nx=True, px=round(self._timing.presence * 1000)):
            name, where = _name(redis), _where(redis)
            threading.Thread(target=self._write, args=(name, where), name="served-by", daemon=True).start()

    def problem(self, redis: Redis) -> str | None:
        """Why a process of this Redis must not start. Waits, if another one's processes may be alive, until one of them
        says so. Raises OSError or RedisError."""
        name = _name(redis)
        first = self._read()
        if not first or first["redis"] == name or not self._is_fresh():
            return None
        deadline = time.monotonic() + 1.5 * self._timing.presence
        log.info("The store was served on another Redis a moment ago: whether it still is will show")
        while time.monotonic() < deadline:
            time.sleep(self._timing.presence / 15)
            now = self._read()
            if not now or now["redis"] == name:  # a Redis that came back empty: those that run have told it since
                return None
            if now != first:
                return self._problem(now)
        return None

    def _write(self, name: str, where: str) -> None:
        try:
            before = self._read()
            if before and before["redis"] != name == self._named and self._is_fresh():
                log.error(self._problem(before))  # and not this one before it was emptied
            self._named = name
            self._bucket.put(NOTE, json.dumps({"redis": name, "where": where, "turn": uuid4().hex}).encode())
        except OSError as error:
            log.warning("It could not be noted in the store on which Redis it is served: %s", error)

    def _read(self) -> dict[str, str] | None:
        try:
            found: Any = json.loads(self._bucket.get(NOTE).data)
            return {name: str(found[name]) for name in ("redis", "where", "turn")}
        except (FileNotFoundError, ValueError, LookupError, TypeError):  # none, or a later version's
            return None

    def _is_fresh(self) -> bool:
        """Whether it was written a moment ago, by the store's own clock."""
        probe = f"probe/{uuid4().hex}"
        self._bucket.put(probe, b"")
        try:
            now, note = self._bucket.entry(probe), self._bucket.entry(NOTE)
        finally:
            with contextlib.suppress(OSError):
                self._bucket.delete([probe])
        return bool(now and note and now.changed_at - note.changed_at < 2 * self._timing.presence)

    def _problem(self, note: dict[str, str]) -> str:
        return (
            f"The store {self._place} is served on another Redis, {note['where'][:200]}: jobs of one would not be "
            "known to the other. Set WHISPER_REDIS_URL to that one; or give this service a store of its own, such as "
            "another prefix in WHISPER_STORE; or stop the other one, and try again after 30 s."
        )


def _name(redis: Redis) -> str:
    redis.set(_NAME, uuid4().hex, nx=True)
    found: Any = redis.get(_NAME)
    return str(found.decode())


def _where(redis: Redis) -> str:
    """Without its password."""
    told = redis.connection_pool.connection_kwargs
    place = told.get("path") or f"{told.get('host', 'localhost')}:{told.get('port', 6379)}"
    return f"{place}, database {told.get('db') or 0}"
