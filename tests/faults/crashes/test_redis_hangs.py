"""Redis hangs: nobody waits for long, and what is on disk is served as ever."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.acceptance.live import LiveService, assert_error, nothing_left, until
from tests.integration.running_worker import RedisServer, redis_server
from tests.soak.breaking import process_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

AT_ONCE = 60  # more than the API has threads of one kind
SLACK = 1.0  # seconds that a busy machine may add


@contextmanager
def hanging(redis: RedisServer) -> Iterator[None]:
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(redis.pid, signal.SIGCONT)


@pytest.mark.fault(97)
def test_a_redis_of_our_own_that_hangs_for_good_is_started_again(
    start_service: Callable[..., LiveService], clip: Path
) -> None:
    """Takes over 10 s: a hanging is believed after 6 s at a tenth of the time."""
    service = start_service("hung", WHISPER_ENGINE="fake", WHISPER_TIME_SCALE="0.1")
    redis = process_of(service, "redis")
    assert redis is not None
    redis.suspend()
    until(lambda: not redis.is_running(), "it is killed", timeout=30)
    until(service.is_ready, "the service is ready again", timeout=30)
    assert service.ended(service.submit(clip))["status"] == "finished"
    assert "has hung for too long" in service.log()
    service.stop()


def timed(call: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


@pytest.mark.fault(94)
def test_nobody_waits_for_a_redis_that_hangs(
    start_service: Callable[..., LiveService], clip: Path, talk_file: Path
) -> None:
    with redis_server() as redis:
        service = start_service(
            "hanging",
            WHISPER_ENGINE="fake",
            WHISPER_MODEL="1",
            WHISPER_LANES="1",
            WHISPER_MAX_BATCH="1",
            WHISPER_REDIS_URL=redis.url,
        )
        ended = service.submit(clip)
        assert service.ended(ended)["status"] == "finished"
        running = service.submit(talk_file)
        until(lambda: service.job(running)["processed_seconds"], "a window is decoded")
        with nothing_left(service), ThreadPoolExecutor(2 * AT_ONCE) as pool:
            with hanging(redis):
                refused = [
                    *(pool.submit(timed, lambda: service.transcribe(clip)) for _ in range(AT_ONCE)),
                    *(pool.submit(timed, lambda: service.get(f"/v1/jobs/{running}")) for _ in range(AT_ONCE // 2)),
                    pool.submit(timed, lambda: service.get("/rq/")),
                ]
                unready = pool.submit(timed, lambda: service.get("/health/ready"))
                for path in (f"/v1/jobs/{ended}", f"/v1/jobs/{ended}/transcript", f"/v1/jobs/{ended}/audio"):
                    response, seconds = timed(lambda path=path: service.get(path))  # type: ignore[misc]  # its default
                    assert (response.status_code, seconds < 1 + SLACK) == (200, True), (path, seconds)
                assert service.get("/v1/jobs", status="finished").json()["data"][0]["id"] == ended
                for each in refused:
                    response, seconds = each.result()
                    assert_error(response, 503, "redis_unavailable")
                    assert int(response.headers["retry-after"]) > 0
                    assert seconds < 5 + SLACK
                response, seconds = unready.result()
                assert (response.status_code, seconds < 5 + SLACK) == (503, True)
                outcome = service.data / "jobs" / running / "outcome.json"
                until(outcome.exists, "the job in hand ends without Redis")
            until(service.is_ready, "it is ready again", timeout=20)
            assert service.ended(running)["status"] == "finished"
        assert service.ended(service.submit(clip))["status"] == "finished"
        service.stop()
