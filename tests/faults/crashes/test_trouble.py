"""Trouble that passes, and is not a recording's, costs a job time and not its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from tests.acceptance.live import LiveService, assert_error, until
from tests.integration.running_worker import redis_server

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

SETTINGS = {"WHISPER_ENGINE": "fake", "WHISPER_TIME_SCALE": "0.1"}


@pytest.mark.fault(110)
@pytest.mark.slow
def test_a_backlog_outlives_a_change_of_the_model(start_service: Callable[..., LiveService], clip: Path) -> None:
    """What names no model takes the new default; what names one that is gone waits until it is served again.

    Slow: three starts; the rules are in tests/unit/worker/running."""
    service = start_service("remodeled", **SETTINGS, WHISPER_MODEL="30", WHISPER_LANES="1", WHISPER_BATCH_SLOTS="1")
    holder = service.submit(clip)  # keeps the others waiting
    until(lambda: service.job(holder)["status"] == "started", "it runs")
    unnamed, alias, named = (service.submit(clip, **form) for form in ({}, {"model": "whisper-1"}, {"model": "30"}))
    service.stop()
    service.settings = {**service.settings, "WHISPER_MODEL": "0"}
    service.start()
    for job_id in (holder, unnamed, alias):
        assert service.ended(job_id)["status"] == "finished"
    until(lambda: service.job(named)["waiting_for"], "the job says what it waits for")
    job = service.job(named)
    assert (job["status"], job["waiting_for"]["code"]) == ("queued", "model_not_found")
    service.stop()
    service.settings = {**service.settings, "WHISPER_MODELS": "30"}
    service.start()
    until(lambda: service.job(named)["status"] == "started", "its model is served again")


@pytest.mark.fault(113)
def test_a_service_whose_slots_cannot_take_jobs_is_not_ready_and_says_why(
    start_service: Callable[..., LiveService], clip: Path
) -> None:
    with redis_server() as redis, Redis.from_url(redis.url) as operator:
        operator.execute_command("ACL", "SETUSER", "service", "on", "nopass", "~*", "&*", "+@all")
        url = redis.url.replace("unix://", "unix://service:any@")
        service = start_service("refused", **SETTINGS, WHISPER_REDIS_URL=url)
        assert service.ended(service.submit(clip))["status"] == "finished"
        operator.execute_command("ACL", "SETUSER", "service", "-blmove")
        until(lambda: not service.is_ready(), "it is not ready", timeout=20)
        detail = service.get("/health/ready").json()["checks"]["worker"]["detail"]
        assert "blmove" in detail, detail
        waiting = service.submit(clip)
        assert service.job(waiting)["status"] == "queued"
        said = service.log().count("is started again until it works")
        operator.execute_command("ACL", "SETUSER", "service", "+blmove")
        until(service.is_ready, "it is ready again", timeout=20)
        assert service.ended(waiting)["status"] == "finished"
        assert said <= 4, "once for each queue"
        service.stop()


@pytest.mark.fault(111)
def test_a_recording_that_is_away_for_a_while_is_transcribed(
    start_service: Callable[..., LiveService], clip: Path, talk_file: Path
) -> None:
    service = start_service("troubled", **SETTINGS, WHISPER_MODEL="1", WHISPER_SYNC_TIMEOUT="2", WHISPER_LANES="1",
                            WHISPER_BATCH_SLOTS="1")  # fmt: skip
    before = service.submit(talk_file)
    job_id = service.submit(clip)
    source = service.data / "jobs" / job_id / "source"
    source.rename(source.with_name("away"))
    until(lambda: service.job(job_id)["waiting_for"], "the job says what it waits for")
    assert service.ended(before)["status"] == "finished"
    after = service.submit(clip)
    assert service.ended(after)["status"] == "finished", "no slot is held"
    source.with_name("away").rename(source)
    assert service.ended(job_id)["status"] == "finished"


@pytest.mark.fault(111)
def test_a_client_that_waits_is_told_of_the_trouble_in_its_time(
    start_service: Callable[..., LiveService], talk_file: Path
) -> None:
    service = start_service("failing", **SETTINGS, WHISPER_SYNC_TIMEOUT="2")
    answer = service.transcribe(talk_file, prompt="fail at 0")
    assert "server_error" in assert_error(answer, 504, "sync_timeout")
