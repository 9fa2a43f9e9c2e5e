"""`GET /v1/jobs/{id}/events`: every reader gets every news once, wherever it begins and whatever restarts."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from tests import media
from tests.acceptance.live import LiveService, assert_error, until
from tests.services import KEYS


class Event(NamedTuple):
    id: str
    name: str
    data: dict[str, Any]


def follow(service: LiveService, job_id: str, last: str | None = None) -> Iterator[Event]:
    """The events until the server ends the stream."""
    headers = {"last-event-id": last} if last else {}
    with (
        service.http() as client,
        client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as response,
    ):
        assert response.status_code == 200, response.read()
        fields: dict[str, str] = {}
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "event" in fields:
                yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
                fields = {}


def watch(service: LiveService, last: str | None = None) -> Generator[Event, None, None]:
    """What happens to all jobs; the first has an id and no name."""
    headers = {"last-event-id": last} if last else {}
    with service.http() as client, client.stream("GET", "/v1/jobs/events", headers=headers) as response:
        assert response.status_code == 200, response.read()
        fields: dict[str, str] = {}
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif "id" in fields:
                yield Event(fields["id"], fields.get("event", ""), json.loads(fields.get("data", "{}")))
                fields = {}


def segments(events: list[Event]) -> list[dict[str, Any]]:
    return [event.data for event in events if event.name == "segment"]


def test_the_news_are_complete_in_order_and_end_with_the_job(quick: LiveService, talk_file: Path) -> None:
    job_id = quick.submit(talk_file)
    events = list(follow(quick, job_id))
    assert [event.data for event in events if event.name == "state"] == [{"state": "queued"}, {"state": "started"}]
    transcript = quick.get(f"/v1/jobs/{job_id}/transcript", format="verbose_json").json()
    wanted = [{key: row[key] for key in ("id", "start", "end", "text")} for row in transcript["segments"]]
    assert segments(events) == wanted
    progress = [event.data["processed"] for event in events if event.name == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] == pytest.approx(transcript["duration"], abs=0.1)
    assert (events[-1].name, events[-1].data) == ("done", quick.job(job_id))


@pytest.mark.fault(66)
def test_a_reader_that_comes_back_gets_exactly_the_rest(quick: LiveService, talk_file: Path) -> None:
    job_id = quick.submit(talk_file)
    events = list(follow(quick, job_id))
    for at, event in enumerate(events[:-1]):
        assert list(follow(quick, job_id, event.id)) == events[at + 1 :]
    over = quick.http(last_event_id=events[-1].id)
    with over:
        assert over.get(f"/v1/jobs/{job_id}/events").status_code == 204
    assert quick.get(f"/v1/jobs/{job_id}/events", last_event_id="end").status_code == 204


def test_a_stream_that_redis_lost_is_told_from_the_store(quick: LiveService, talk_file: Path) -> None:
    job_id = quick.submit(talk_file)
    events = list(follow(quick, job_id))
    with quick.redis() as redis:
        redis.delete(f"whisper:events:{job_id}", f"whisper:status:{job_id}")
    again = list(follow(quick, job_id))
    assert segments(again) == segments(events)
    assert again[-1] == events[-1]
    middle = next(event for event in events if event.name == "segment" and event.data["id"] == 2)
    assert [row["id"] for row in segments(list(follow(quick, job_id, middle.id)))][:1] == [3]


@pytest.mark.parametrize("end", ["failed", "canceled", "deleted"])
def test_other_ends_are_told_too(slow: LiveService, talk_file: Path, tmp_path: Path, end: str) -> None:
    recording = media.random_bytes(tmp_path / "random.mp3") if end == "failed" else talk_file
    job_id = slow.submit(recording)
    events = follow(slow, job_id)
    assert next(events).name == "state"
    if end == "canceled":
        slow.post(f"/v1/jobs/{job_id}/cancel")
    if end == "deleted":
        with slow.http() as client:
            client.delete(f"/v1/jobs/{job_id}")
    *_, last = events
    assert (last.name, last.data["status"]) == ("done", end)
    if end == "failed":
        assert last.data["error"]["code"] == "unsupported_media"


def test_only_the_owner_follows_and_only_from_where_he_was(keyed: LiveService, clip: Path) -> None:
    job_id = keyed.submit(clip)
    ben = LiveService(keyed.directory, key=KEYS["ben"])
    ben.running = keyed.running
    assert_error(ben.get(f"/v1/jobs/{job_id}/events"), 404, "job_not_found", "id")
    for bad in ("17", "abc", "1-1", "1-1:x"):
        assert_error(keyed.get(f"/v1/jobs/{job_id}/events", last_event_id=bad), 400, "invalid_value", "last_event_id")


@pytest.mark.fault(66)
def test_neither_gap_nor_repeat_over_a_restart(start_service: Callable[..., LiveService], talk_file: Path) -> None:
    service = start_service(
        "restarted", WHISPER_ENGINE="fake", WHISPER_MODEL="1", WHISPER_LANES="1", WHISPER_MAX_BATCH="1"
    )
    job_id = service.submit(talk_file)
    before: list[Event] = []
    for event in follow(service, job_id):
        before.append(event)
        if event.name == "segment":
            break
    service.stop()
    service.start()
    after = list(follow(service, job_id, before[-1].id))
    told = segments([*before, *after])
    transcript = service.get(f"/v1/jobs/{job_id}/transcript", format="verbose_json").json()
    assert [row["id"] for row in told] == [row["id"] for row in transcript["segments"]]
    assert [row["text"] for row in told] == [row["text"] for row in transcript["segments"]]
    assert after[-1].data["status"] == "finished"


READERS = 200
MAX_PER_READER = 0.25  # MB: a helping of events, the buffers of a connection


@pytest.mark.fault(66)
def test_readers_that_do_not_read_cost_little_and_hold_nobody_up(quick: LiveService, long_file: Path) -> None:
    job_id = quick.submit(long_file)
    assert quick.ended(job_id)["status"] == "finished"
    api = next(
        process for process in psutil.Process(quick._process.pid).children(recursive=True) if "api" in process.cmdline()
    )
    list(follow(quick, job_id))
    before = api.memory_info().rss
    request = f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(READERS):
            reader = stack.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", quick.port))
            reader.sendall(request)
        begun = time.monotonic()
        assert list(follow(quick, job_id))[-1].name == "done"
        assert time.monotonic() - begun < 30
        growth = (api.memory_info().rss - before) / 1e6
    assert growth < READERS * MAX_PER_READER
    until(lambda: quick.get("/health").status_code == 200, "it still answers")


def test_all_jobs_are_told_on_one_stream(keyed: LiveService, clip: Path) -> None:
    """Each as the job itself is, to its owner alone; and whoever comes back hears what happened meanwhile."""
    events = watch(keyed)
    began = next(events)
    with keyed.http(authorization=f"Bearer {KEYS['ben']}") as ben:
        other = ben.post("/v1/jobs", files={"file": clip.read_bytes()}).json()["id"]
    job_id = keyed.submit(clip)
    had: list[Event] = []
    while not had or (had[-1].name, had[-1].data.get("status")) != ("job", "finished"):
        had.append(next(events))
        assert had[-1].name != "reset", had
    assert had[-1].data == keyed.job(job_id)
    events.close()
    with keyed.http() as anna:
        assert anna.delete(f"/v1/jobs/{job_id}").status_code == 200
    events = watch(keyed, last=began.id)
    while (event := next(events)).name != "deleted":
        had.append(event)
    assert event.data == {"id": job_id}
    assert other not in repr(had)
    events.close()
