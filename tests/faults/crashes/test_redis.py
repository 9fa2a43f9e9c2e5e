"""Redis goes away, comes back empty, is full or takes no writes: no accepted job is lost, and none runs twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.live import LiveService, assert_error, nothing_left, until
from tests.integration.running_worker import RedisServer, redis_server
from tests.services import SCALES

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

AWAY = 20.0  # seconds at real times, and a tenth of it at a tenth of them


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="module", params=SCALES)
def scale(request: pytest.FixtureRequest) -> float:
    return float(request.param)


@pytest.fixture(scope="module")
def service(redis: RedisServer, scale: float, start_service: Callable[..., LiveService]) -> LiveService:
    """One window at a time, a second each, with a Redis of the test's."""
    return start_service(
        "redis",
        WHISPER_ENGINE="fake",
        WHISPER_MODEL="1",
        WHISPER_LANES="1",
        WHISPER_MAX_BATCH="1",
        WHISPER_BATCH_SLOTS="1",
        WHISPER_REDIS_URL=redis.url,
        WHISPER_TIME_SCALE=str(scale),
    )


def decoding(service: LiveService, job_id: str) -> None:
    until(lambda: service.job(job_id)["processed_seconds"], "a window is decoded")


def unavailable(service: LiveService, clip: Path) -> None:
    """A recording is refused for now, and nothing of it stays."""
    before = service.job_ids()
    response = service.transcribe(clip)
    assert_error(response, 503, "redis_unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert service.job_ids() == before
    assert os.listdir(service.data / "incoming") == []


def text(service: LiveService, job_id: str) -> Any:
    return service.get(f"/v1/jobs/{job_id}/transcript", format="verbose_json").json()["text"]


@pytest.mark.fault(9)
@pytest.mark.fault(10)
def test_a_job_runs_to_its_end_while_redis_is_away(
    service: LiveService, redis: RedisServer, scale: float, long_file: Path, talk_file: Path, clip: Path
) -> None:
    """Longer than 10 s: the long recording is eleven windows of a second each, and does not wait for Redis."""
    ended = service.submit(clip)
    assert service.ended(ended)["status"] == "finished"
    short, long = service.submit(talk_file), service.submit(long_file)
    decoding(service, short)
    redis.kill()
    away_since = time.monotonic()
    try:
        until(lambda: service.get("/health/ready").status_code == 503, "it says that it is not ready")
        unavailable(service, clip)
        assert service.job(ended)["status"] == "finished", "what is on disk is served"
        assert text(service, ended)
        outcome = service.data / "jobs" / short / "outcome.json"
        until(outcome.exists, "the job in hand ends without Redis")
        until(lambda: time.monotonic() - away_since > AWAY * scale, "Redis is away for a while")
    finally:
        redis.start()
    for job_id in (short, long):
        job = service.ended(job_id)
        assert (job["status"], job["attempts"]) == ("finished", 1)
    assert service.ended(service.submit(clip))["status"] == "finished"
    assert service.get("/health/ready").status_code == 200


@pytest.mark.fault(11)
def test_a_redis_that_comes_back_empty_costs_nothing(
    service: LiveService, redis: RedisServer, long_file: Path, talk_file: Path, clip: Path
) -> None:
    """Takes over 10 s: 17 windows of a second each, one after another."""
    ended, canceled = service.submit(clip), service.submit(clip)
    assert service.ended(ended)["status"] == "finished"
    service.post(f"/v1/jobs/{canceled}/cancel")
    running = service.submit(long_file)
    decoding(service, running)
    waiting = [service.submit(talk_file) for _ in range(2)]
    redis.kill()
    redis.empty()
    redis.start()
    for job_id in (running, *waiting):
        job = service.ended(job_id)
        assert (job["status"], job["attempts"]) == ("finished", 1)
    listed = {job["id"]: job["status"] for job in service.get("/v1/jobs", limit=100).json()["data"]}
    assert listed[ended] == "finished"
    assert listed[canceled] in ("canceled", "finished")  # it may have been quicker than the cancel
    assert {listed[job_id] for job_id in (running, *waiting)} == {"finished"}


FULL = [("config", "set", "maxmemory", "1mb")], [("config", "set", "maxmemory", "0")]
READ_ONLY = [("replicaof", "127.0.0.1", "1")], [("replicaof", "no", "one")]


@pytest.mark.fault(12)
@pytest.mark.parametrize(("break_it", "mend_it"), [FULL, READ_ONLY], ids=["full", "read-only"])
def test_a_redis_that_takes_no_writes_refuses_new_jobs_and_ends_the_running_one(
    service: LiveService, talk_file: Path, clip: Path, break_it: Any, mend_it: Any
) -> None:
    running = service.submit(talk_file)
    decoding(service, running)
    with service.redis() as redis:
        for command in break_it:
            redis.execute_command(*command)
        try:
            with nothing_left(service):
                unavailable(service, clip)
            assert not service.get("/health/ready").json()["checks"]["redis"]["ok"]
            until((service.data / "jobs" / running / "outcome.json").exists, "the running job ends")
        finally:
            for command in mend_it:
                redis.execute_command(*command)
    assert service.ended(running)["status"] == "finished"
    assert service.ended(service.submit(clip))["status"] == "finished"
