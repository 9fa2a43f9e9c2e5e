"""Recordings that the service fetches: promised at once, gone on with after a crash, and never from inside unasked."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.live import LiveService, assert_error, until
from tests.receiver import Receiver, Reply, receiving, statuses
from tests.services import Start
from tests.source import serves
from worker.queue import heartbeat

FAKE_TEXT = "w0.0 w0.1 w0.2"  # what the engine without a model hears in the clip


@pytest.fixture(scope="module")
def fetching(start_service: Start) -> LiveService:
    """It may fetch from localhost, and tries again soon."""
    return start_service(
        "fetching",
        WHISPER_ENGINE="fake",
        WHISPER_URL_ALLOWED_HOSTS="localhost",
        WHISPER_TIME_SCALE="0.1",
        WHISPER_MAX_UPLOAD_MB="1",
    )


@pytest.fixture
def source(clip: Path) -> Iterator[Receiver]:
    with receiving(serves(clip.read_bytes())) as source:
        yield source


def submit(service: LiveService, url: str, **fields: str) -> str:
    response = service.post("/v1/jobs", data={"url": url, **fields})
    assert response.status_code == 202, response.text
    job_id: str = response.json()["id"]
    return job_id


def test_a_job_whose_recording_is_fetched(fetching: LiveService, source: Receiver, clip: Path) -> None:
    job_id = submit(fetching, source.url("/talks/a%20talk.wav?sig=s3cret", "localhost"))
    job = fetching.ended(job_id)
    assert job["file"] == {"name": "a talk.wav", "bytes": clip.stat().st_size}
    assert job["url"] == source.url("/talks/a%20talk.wav", "localhost")
    transcript = fetching.get(job["urls"]["transcript"], format="text")
    assert transcript.text.strip() == FAKE_TEXT
    assert 'filename="a talk.txt"' in transcript.headers["content-disposition"]
    assert fetching.get(job["urls"]["audio"]).content == clip.read_bytes()
    assert "s3cret" not in fetching.log()


@pytest.mark.parametrize("form", ["multipart", "urlencoded"])
def test_a_client_that_waits_for_the_words(fetching: LiveService, source: Receiver, form: str) -> None:
    url = source.url("/a.wav", "localhost")
    request: dict[str, Any] = {"files": {"url": (None, url)}} if form == "multipart" else {"data": {"url": url}}
    answer = fetching.post("/v1/audio/transcriptions", **request)
    assert (answer.status_code, answer.json()["text"]) == (200, FAKE_TEXT)


@pytest.mark.parametrize(
    ("reply", "code", "status"),
    [
        (Reply(404), "url_not_found", 424),
        (Reply(403), "url_refused", 424),
        (Reply(302, {"location": "http://169.254.169.254/latest"}), "url_not_allowed", 422),
        (Reply(body=bytes(1024 * 1024 + 1)), "file_too_large", 413),
        (Reply(body=b"<html>no recording</html>"), "unsupported_media", 400),
        (Reply(body=b""), "empty_file", 400),
    ],
)  # fmt: skip
def test_what_is_the_sources_fault_ends_the_job(fetching: LiveService, reply: Reply, code: str, status: int) -> None:
    with receiving(statuses(reply)) as source:
        answer = fetching.post("/v1/audio/transcriptions", data={"url": source.url("/a", "localhost")})
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["code"] == code
        job = fetching.ended(submit(fetching, source.url("/b", "localhost")))
    assert (job["status"], job["error"]["code"]) == ("failed", code)
    directory = fetching.data / "jobs" / job["id"]
    until(lambda: not list(directory.glob("fetch.*")), "nothing half of it stays")


@pytest.mark.fault(160)
def test_trouble_of_the_source_costs_time_alone(fetching: LiveService, clip: Path) -> None:
    is_up = False
    whole = serves(clip.read_bytes())
    with receiving(lambda number, request: whole(number, request) if is_up else Reply(503)) as source:
        job_id = submit(fetching, source.url("/a.wav", "localhost"))
        waiting = until(lambda: fetching.job(job_id)["waiting_for"], "the job says what it waits for")
        assert (waiting["code"], "503" in waiting["message"]) == ("url_unreachable", True)
        assert fetching.ended(fetching.submit(clip))["status"] == "finished", "no slot is held"
        is_up = True
        job = fetching.ended(job_id)
    assert (job["status"], job["waiting_for"]) == ("finished", None)


def test_an_address_inside_is_refused_before_anything_is_promised(fetching: LiveService, source: Receiver) -> None:
    answer = fetching.post("/v1/jobs", data={"url": source.url()})  # localhost alone is allowed
    assert "WHISPER_URL_ALLOWED_HOSTS" in assert_error(answer, 422, "url_not_allowed", "url")
    assert source.requests == []


@pytest.mark.fault(162)
@pytest.mark.parametrize("way", ["cancel", "delete"])
def test_a_download_ends_with_its_job(fetching: LiveService, clip: Path, way: str) -> None:
    with receiving(statuses(Reply(body=clip.read_bytes(), cut=1000, stays=True))) as source:
        job_id = submit(fetching, source.url("/a.wav", "localhost"))
        directory = fetching.data / "jobs" / job_id
        until(lambda: (directory / "fetch.part").exists(), "it is being fetched")
        with fetching.http() as client:
            path = f"/v1/jobs/{job_id}"
            answer = client.delete(path) if way == "delete" else client.post(f"{path}/cancel")
        assert answer.status_code == 200
        until(lambda: not (directory / "fetch.part").exists(), "what came of it is gone")
        with fetching.redis() as redis:
            until(lambda: not redis.zcard("rq:wip:fetch"), "its slot is free")


@pytest.mark.fault(161)
def test_a_worker_that_is_killed_in_a_download_goes_on_with_it(fetching: LiveService, clip: Path) -> None:
    body = clip.read_bytes()
    with receiving(serves(body, Reply(body=body, cut=60_000, stays=True))) as source:
        job_id = submit(fetching, source.url("/a.wav", "localhost"))
        part = fetching.data / "jobs" / job_id / "fetch.part"
        until(lambda: part.exists() and part.stat().st_size == 60_000, "a part of it is there")
        with fetching.redis() as redis:
            for worker in heartbeat.workers(redis):
                os.kill(worker.pid, signal.SIGKILL)
        job = fetching.ended(job_id)
        again = source.wait(2)[1]
    assert (job["status"], job["attempts"]) == ("finished", 1)
    assert again.headers["range"] == "bytes=60000-"
    assert fetching.get(job["urls"]["audio"]).content == body
