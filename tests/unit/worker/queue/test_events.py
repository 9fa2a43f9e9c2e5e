"""What a job tells while it runs is there to look at, to follow and to forget; none of it is the truth."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

import worker.queue.events
from tests.unit.factories import make_segment, wait_for
from worker.queue.events import ENDED_TTL, EVENTS_LENGTH, EVENTS_TTL, FEED, FEED_LENGTH, Events, FeedReader
from worker.runtime.timing import Timing
from worker.store.records import ENDED


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def redis(server: FakeServer) -> FakeRedis:
    return FakeRedis(server=server)


def stream(redis: FakeRedis, job_id: str) -> list[tuple[str, Any]]:
    rows: Any = redis.xrange(f"whisper:events:{job_id}")
    return [(fields[b"event"].decode(), json.loads(fields[b"data"])) for _, fields in rows]


def test_a_jobs_events_are_one_stream_in_order(redis: FakeRedis) -> None:
    events = Events(redis)
    events.started("a", 1_700_000_000.25)
    events.window("a", 1.5, 3.0, [make_segment(0, text=" Grüße."), make_segment(1, start=1.0, end=1.5)])
    events.state("b", "queued")
    assert stream(redis, "a") == [
        ("state", {"state": "started"}),
        ("segment", {"id": 0, "start": 0.0, "end": 1.0, "text": " Grüße."}),
        ("segment", {"id": 1, "start": 1.0, "end": 1.5, "text": " Hello."}),
        ("progress", {"processed": 1.5, "total": 3.0}),
    ]


def test_the_status_is_the_latest_of_every_number_and_the_first_start(redis: FakeRedis) -> None:
    events = Events(redis)
    events.started("a", 1_700_000_000.25)
    events.window("a", 0.5, 60.0, [])
    events.started("a", 1_700_000_100.0)
    events.window("a", 30.0, 60.0, [make_segment()])
    assert events.status("a") == {"started_at": 1_700_000_000.25, "processed": 30.0, "total": 60.0, "segments": 1.0}
    assert events.status("b") == {}


def test_what_was_told_is_not_told_again_by_a_run_that_goes_on(redis: FakeRedis) -> None:
    def run(windows: int) -> None:
        events = Events(redis)
        for number in range(windows):
            segments = [make_segment(at) for at in range(2 * number + 2)]
            events.window("a", 30.0 * (number + 1), 300.0, segments)

    run(3)
    interrupted = stream(redis, "a")
    run(5)
    assert stream(redis, "a")[: len(interrupted)] == interrupted
    told = [data["id"] for name, data in stream(redis, "a") if name == "segment"]
    assert told == list(range(10))
    assert [data["processed"] for name, data in stream(redis, "a") if name == "progress"] == [30, 60, 90, 120, 150]


def test_of_two_runs_that_tell_at_once_one_does(redis: FakeRedis) -> None:
    """One of them has lost the job and does not know it yet."""

    others = [Events(redis)]

    class Late(Events):
        def _window(self, *arguments: Any) -> None:
            super()._window(*arguments)
            while others:
                others.pop().window("a", 30.0, 60.0, [make_segment(0), make_segment(1)])

    Late(redis).window("a", 30.0, 60.0, [make_segment(0)])
    assert [data["id"] for name, data in stream(redis, "a") if name == "segment"] == [0, 1]
    assert Events(redis).status("a") == {"processed": 30.0, "total": 60.0, "segments": 2.0}


@pytest.mark.fault(9)
@pytest.mark.fault(66)
def test_what_redis_missed_or_lost_is_told_with_the_next_window(redis: FakeRedis) -> None:
    events, segments = Events(redis), [make_segment(at) for at in range(6)]
    events.window("a", 60.0, 300.0, segments[:3])  # it was away for the first
    redis.flushall()
    events.window("a", 90.0, 300.0, segments)
    assert [data["id"] for name, data in stream(redis, "a") if name == "segment"] == list(range(6))


def test_the_feed_says_whose_news_there_are(redis: FakeRedis) -> None:
    events = Events(redis)
    events.state("a", "started")
    events.window("a", 1.0, 2.0, [make_segment(0), make_segment(1)])
    events.state("b", "finished")
    rows: Any = redis.xrange(FEED)
    feed = [(fields[b"job"], fields[b"state"]) for _, fields in rows]
    assert feed == [(b"a", b"started"), (b"a", b"news"), (b"b", b"finished")]


def test_a_reader_gets_on_in_helpings(redis: FakeRedis) -> None:
    events = Events(redis)
    for number in range(10):
        events.window("a", number + 1.0, 10.0, [make_segment(at) for at in range(number + 1)])
    cursor, read = "0-0", []
    while helping := events.read("a", cursor, 3):
        assert len(helping) <= 3
        read += helping
        cursor = helping[-1].id
    assert [event.data["id"] for event in read if event.name == "segment"] == list(range(10))
    assert [event.id for event in read] == sorted({event.id for event in read})


def test_nothing_of_a_job_stays_for_ever(redis: FakeRedis) -> None:
    events = Events(redis)
    events.window("a", 1.0, 2.0, [])
    events.started("b", 1.0)
    for key in ("whisper:status:a", "whisper:events:a", "whisper:status:b"):
        assert 0 < redis.ttl(key) <= EVENTS_TTL


@pytest.mark.fault(96)
@pytest.mark.parametrize("state", ENDED)
def test_the_events_of_an_ended_job_stay_for_readers_who_come_back_soon(redis: FakeRedis, state: str) -> None:
    events = Events(redis)
    events.started("a", 1.0)
    events.window("a", 1.5, 3.0, [make_segment(0)])
    events.state("a", state)
    for key in ("whisper:status:a", "whisper:events:a"):
        assert 0 < redis.ttl(key) <= ENDED_TTL


def test_forgetting_a_job_leaves_nothing(redis: FakeRedis) -> None:
    events = Events(redis)
    for job_id in ("a", "b"):
        events.window(job_id, 1.0, 2.0, [])
    events.forget("a")
    assert list(redis.scan_iter("*:a")) == []
    assert events.status("b")["processed"] == 1.0


def test_streams_are_capped(redis: FakeRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(FEED_LENGTH, EVENTS_LENGTH) <= 100_000
    monkeypatch.setattr(worker.queue.events, "FEED_LENGTH", 10)
    monkeypatch.setattr(worker.queue.events, "EVENTS_LENGTH", 10)
    events = Events(redis)
    for _ in range(500):
        events.state("a", "started")
    assert redis.xlen(FEED) < 400
    assert redis.xlen("whisper:events:a") < 400


class Follower:
    """A feed reader with a list of what it was told."""

    def __init__(self, redis: FakeRedis) -> None:
        self.states: list[tuple[str, str]] = []
        self.gaps = threading.Semaphore(0)
        self.reader = FeedReader(redis, self.hear, self.gaps.release, Timing(feed_block=0.01), gather=0.01)

    def hear(self, job_id: str, state: str) -> None:
        if state == "poison":
            raise RuntimeError("the one who listens is broken")
        self.states.append((job_id, state))


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.queue.events, "PAUSE", 0.01)


@pytest.fixture
def follow() -> Iterator[Callable[[FakeRedis], Follower]]:
    """Starts followers, and stops them at the end."""
    started: list[Follower] = []

    def start(redis: FakeRedis) -> Follower:
        started.append(Follower(redis))
        started[-1].reader.start()
        assert started[-1].gaps.acquire(timeout=10), "a reader that begins has missed everything so far"
        return started[-1]

    yield start
    for follower in started:
        follower.reader.stop()


Follow = Callable[[FakeRedis], Follower]


def test_a_reader_hears_what_happens_from_its_start_on(redis: FakeRedis, follow: Follow) -> None:
    events = Events(redis)
    events.state("old", "finished")
    follower = follow(redis)
    for number in range(20):
        events.state(f"job{number}", "started")
    wait_for(lambda: len(follower.states) >= 20)
    assert follower.states == [(f"job{number}", "started") for number in range(20)]


def test_readers_do_not_take_from_each_other(redis: FakeRedis, follow: Follow) -> None:
    one, other = follow(redis), follow(redis)
    Events(redis).state("a", "canceled")
    wait_for(lambda: one.states and other.states)
    assert one.states == other.states == [("a", "canceled")]


def test_after_redis_was_away_the_reader_says_so_and_goes_on(
    server: FakeServer, redis: FakeRedis, follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    follower = follow(redis)
    server.connected = False
    wait_for(lambda: "The feed is interrupted" in caplog.text)
    server.connected = True
    assert follower.gaps.acquire(timeout=10)
    Events(redis).state("a", "started")
    wait_for(lambda: follower.states == [("a", "started")])


def test_neither_a_broken_listener_nor_a_foreign_entry_ends_the_reader(redis: FakeRedis, follow: Follow) -> None:
    follower = follow(redis)
    Events(redis).state("a", "poison")
    redis.xadd(FEED, {"something": "else"})
    Events(redis).state("b", "canceled")
    wait_for(lambda: ("b", "canceled") in follower.states)


def test_what_nobody_foresaw_does_not_end_the_reader(
    redis: FakeRedis, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a moment in which the system gives the process no more memory."""
    follower = follow(redis)

    def fails(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise MemoryError

    monkeypatch.setattr(redis, "xread", fails)
    assert follower.gaps.acquire(timeout=10)
    Events(redis).state("a", "canceled")
    wait_for(lambda: follower.states == [("a", "canceled")])
