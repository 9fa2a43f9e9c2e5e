"""What a job tells the world while it runs: a small hash to look at, a stream to follow, one feed for all ends.

whisper:status:<id>  hash    started_at, processed, total (seconds of audio), segments (told so far)
whisper:events:<id>  stream  every event of one job, capped
whisper:feed         stream  what happens to all jobs, capped: what waiting clients and running slots hang on
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from engines.transcript import Segment
from worker.runtime.connection import KEY_PREFIX
from worker.runtime.timing import Timing
from worker.store.records import ENDED

FEED = f"{KEY_PREFIX}feed"
FEED_LENGTH = 10_000  # entries, about
EVENTS_LENGTH = 100_000  # entries of one job, about: a day of talk has fewer
EVENTS_TTL = 24 * 3600  # seconds
ENDED_TTL = 600  # seconds after a job's end: a reader who comes back later gets the rest from the store
BEGINNING = "0-0"  # before every entry
MAX_PLACE = 2**64 - 1  # of both numbers of an entry's id
STATUS = ("started_at", "processed", "total", "segments")
NEWS = "news"  # what the feed says of a job that goes on: its own stream has the rest
CHANGED = "changed"  # … of one that was given another title or other names
DELETED = "deleted"  # … of one that is gone

GATHER = 0.1  # seconds
PAUSE = 0.5  # seconds until the feed is read again that was interrupted

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """id: the stream's own, which sorts by time. name: state, progress or segment; or what a later version tells."""

    id: str
    name: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """id: the stream's own, which sorts by time. state: one of a job's, `NEWS`, `CHANGED` or `DELETED`, or what a later
    version tells. owner: whose it was, of a job that is gone."""

    id: str
    job_id: str
    state: str
    owner: str = ""


class Events:
    """Writes and reads the live side of jobs. Nothing here is the truth: the store is."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def state(self, job_id: str, state: str) -> None:
        """Tells everyone who follows that a job changed its state."""
        pipeline = self._redis.pipeline(transaction=False)
        self._add_state(pipeline, job_id, state)
        pipeline.execute()

    def _add_state(self, pipeline: Any, job_id: str, state: str) -> None:
        self._add(pipeline, job_id, "state", {"state": state})
        if state in ENDED:
            for kind in ("events", "status"):
                pipeline.expire(f"{KEY_PREFIX}{kind}:{job_id}", ENDED_TTL)
        pipeline.xadd(FEED, {"job": job_id, "state": state}, maxlen=FEED_LENGTH, approximate=True)

    def started(self, job_id: str, at: float) -> None:
        """Tells that a slot has begun with the job, or goes on with it. at: unix seconds."""
        key = f"{KEY_PREFIX}status:{job_id}"
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hsetnx(key, "started_at", str(at))
        pipeline.expire(key, EVENTS_TTL)
        self._add_state(pipeline, job_id, "started")
        pipeline.execute()

    def window(self, job_id: str, processed: float, total: float, segments: Sequence[Segment]) -> None:
        """Tells how far the job is. processed, total: seconds of audio. segments: all there are, from the first. What
        was told already is not told again, whichever run told it, and what Redis missed or lost is."""
        key = f"{KEY_PREFIX}status:{job_id}"
        self._redis.transaction(lambda pipeline: self._window(pipeline, job_id, processed, total, segments), key)

    def _window(
        self, pipeline: Pipeline, job_id: str, processed: float, total: float, segments: Sequence[Segment]
    ) -> None:
        key = f"{KEY_PREFIX}status:{job_id}"
        before = _status(pipeline.hmget(key, STATUS))
        told_before = int(before.get("segments", 0))
        new = segments[told_before:]
        pipeline.multi()
        if not new and processed <= before.get("processed", -1.0):
            return
        fields = {"processed": processed, "total": total, "segments": told_before + len(new)}
        pipeline.hset(key, mapping={name: str(value) for name, value in fields.items()})
        pipeline.expire(key, EVENTS_TTL)
        for segment in new:
            self._add(pipeline, job_id, "segment", told(segment))
        self._add(pipeline, job_id, "progress", {"processed": processed, "total": total})
        pipeline.xadd(FEED, {"job": job_id, "state": NEWS}, maxlen=FEED_LENGTH, approximate=True)

    def read(self, job_id: str, after: str, count: int) -> list[Event]:
        """Up to `count` events after the one with this id, oldest first; "0-0" is before all."""
        rows: Any = self._redis.xrange(f"{KEY_PREFIX}events:{job_id}", min=f"({after}", count=count)
        return [_event(row.decode(), fields) for row, fields in rows]

    def status(self, job_id: str) -> dict[str, float]:
        """The live status, empty if the job has not started. What a later version adds is left out."""
        return _status(self._redis.hmget(f"{KEY_PREFIX}status:{job_id}", STATUS))

    def changed(self, job_id: str) -> None:
        """Tells that what is shown of a job is another, though not its state."""
        self._redis.xadd(FEED, {"job": job_id, "state": CHANGED}, maxlen=FEED_LENGTH, approximate=True)

    def deleted(self, job_id: str, owner: str) -> None:
        """Tells that a job is gone, and forgets it."""
        self.forget(job_id)
        self._redis.xadd(FEED, {"job": job_id, "state": DELETED, "owner": owner}, maxlen=FEED_LENGTH, approximate=True)

    def newest(self) -> str:
        """The feed's last entry; `0-0` if there is none."""
        newest: Any = self._redis.xrevrange(FEED, count=1)
        return newest[0][0].decode() if newest else BEGINNING

    def since(self, after: str) -> list[FeedEntry] | None:
        """What the feed told after an entry, oldest first; None if it does not go back so far, or there can be no such
        entry."""
        if max(_place(after)) > MAX_PLACE or _place(after) > _place(self.newest()):  # Redis was emptied
            return None
        oldest: Any = self._redis.xrange(FEED, count=1)
        if oldest and _place(oldest[0][0].decode()) > _place(after) > _place(BEGINNING):
            return None
        rows: Any = self._redis.xrange(FEED, min=f"({after}")
        return [entry for row, fields in rows if (entry := _entry(row, fields))]

    def forget(self, job_id: str) -> None:
        self._redis.delete(f"{KEY_PREFIX}status:{job_id}", f"{KEY_PREFIX}events:{job_id}")

    def _add(self, pipeline: Any, job_id: str, event: str, data: dict[str, Any]) -> None:
        key = f"{KEY_PREFIX}events:{job_id}"
        fields = {"event": event, "data": json.dumps(data, ensure_ascii=False)}
        pipeline.xadd(key, fields, maxlen=EVENTS_LENGTH, approximate=True)
        pipeline.expire(key, EVENTS_TTL)


def told(segment: Segment) -> dict[str, Any]:
    """What is told of a segment: in events, in webhook payloads, and to whoever asks for `json` with segments."""
    of_it = {"id": segment.id, "start": round(segment.start, 3), "end": round(segment.end, 3), "text": segment.text}
    return {**of_it, "speaker": segment.speaker} if segment.speaker else of_it


def _status(values: Any) -> dict[str, float]:
    return {name: float(value) for name, value in zip(STATUS, values, strict=True) if value is not None}


def _place(entry_id: str) -> tuple[int, int]:
    """Of an entry's id, which sorts as two numbers."""
    time, _, number = entry_id.partition("-")
    return int(time), int(number)


def _entry(row: bytes, fields: Mapping[bytes, bytes]) -> FeedEntry | None:
    """None for what is not about a job."""
    if b"job" not in fields or b"state" not in fields:
        return None
    job_id, state, owner = (fields.get(name, b"").decode() for name in (b"job", b"state", b"owner"))
    return FeedEntry(row.decode(), job_id, state, owner)


def _event(row: str, fields: Mapping[bytes, bytes]) -> Event:
    return Event(row, fields.get(b"event", b"").decode(), json.loads(fields.get(b"data", b"{}")))


class FeedReader:
    """One thread a process that follows the feed and calls `on_state(job_id, state)`; see FeedEntry. on_entry: called
    with each entry as well. gather: seconds until it reads on after it read something: a clip alone makes four
    entries. 0 for whoever is to know at once.

    `on_gap()` is called after Redis was away or the reader started, since states may have been missed then.
    """

    def __init__(
        self,
        redis: Redis,
        on_state: Callable[[str, str], None],
        on_gap: Callable[[], None],
        timing: Timing = Timing(),
        on_entry: Callable[[FeedEntry], None] | None = None,
        gather: float = GATHER,
    ) -> None:
        self._redis = redis
        self._block = timing.feed_block
        self._on_state = on_state
        self._on_entry = on_entry
        self._on_gap = on_gap
        self._gather = gather
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Nothing is told from now on. The thread itself ends with its blocking read, for which nobody has to wait."""
        self._stopped.set()

    def _run(self) -> None:
        last: bytes | None = None
        while not self._stopped.is_set():
            try:
                if last is None:
                    last = self._newest()
                    self._handle(self._on_gap)
                before, last = last, self._follow(last)
                if last != before and self._gather:
                    self._stopped.wait(self._gather)
            except RedisError as error:
                log.warning("The feed is interrupted: %s", error)
                last = None
                self._stopped.wait(PAUSE)
            except Exception:  # whatever it is, nobody would hear of anything any more
                log.exception("The feed is interrupted")
                last = None
                self._stopped.wait(PAUSE)

    def _newest(self) -> bytes:
        newest: Any = self._redis.xrevrange(FEED, count=1)
        return newest[0][0] if newest else b"0-0"

    def _follow(self, last: bytes) -> bytes:
        answer: Any = self._redis.xread({FEED: last}, block=round(self._block * 1000), count=500)
        for _, entries in answer or []:
            for entry_id, fields in entries:
                last = entry_id
                if entry := _entry(entry_id, fields):
                    self._handle(self._on_state, entry.job_id, entry.state)
                    if self._on_entry:
                        self._handle(self._on_entry, entry)
        return last

    def _handle(self, call: Callable[..., None], *args: object) -> None:
        """One change that could not be handled must not hide those that follow."""
        if self._stopped.is_set():
            return
        try:
            call(*args)
        except Exception:
            log.exception("A change of state could not be handled")
