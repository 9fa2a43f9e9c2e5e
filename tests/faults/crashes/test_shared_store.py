"""Two machines on one Redis and one object store: whatever dies on one, the other goes on with, and both say the same.

Slow: a real SeaweedFS is fetched (48 MB) and started, and two whole services.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.live import LiveService, assert_error, until
from tests.faults.crashes.test_crashes import transcript
from tests.faults.processes import kill, process
from tests.integration.running_worker import redis_server
from tests.receiver import receiving
from tests.seaweedfs import SeaweedFS, running
from tests.services import Start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages"),
]


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with running(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="module")
def machines(start_service: Start, seaweedfs: SeaweedFS) -> Iterator[list[LiveService]]:
    """Their windows take half a second each."""
    with redis_server() as redis:
        settings = {
            **seaweedfs.environment(),
            "WHISPER_STORE": seaweedfs.new_place(),
            "WHISPER_REDIS_URL": redis.url,
            "WHISPER_ENGINE": "fake",
            "WHISPER_MODEL": "0.5",
            "WHISPER_LANES": "1",
            "WHISPER_MAX_BATCH": "1",
            "WHISPER_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
        yield [start_service(name, **settings) for name in ("first", "second")]


def workers(machines: list[LiveService]) -> list[Any]:
    return [process(machine, "worker") for machine in machines]


@pytest.mark.fault(180)
def test_a_killed_workers_job_goes_on_and_its_end_is_told(machines: list[LiveService], long_file: Path) -> None:
    first, second = machines
    undisturbed = first.submit(long_file)
    assert first.ended(undisturbed)["status"] == "finished"
    with receiving() as receiver:
        job_id = second.submit(long_file, webhook_url=receiver.url())
        # A batch of windows is kept every five seconds.
        until(lambda: second.job(job_id)["processed_seconds"] > 0, "it is decoded")
        for victim in workers(machines):
            kill(victim)
        assert first.ended(job_id)["status"] == "finished"
        [told] = receiver.wait(1)
    assert job_id.encode() in told.body
    assert transcript(first, job_id) == transcript(second, job_id) == transcript(second, undisturbed)
    assert first.job(job_id)["attempts"] >= 2


def test_what_one_deletes_is_gone_for_the_other(machines: list[LiveService], clip: Path) -> None:
    first, second = machines
    job_id = first.submit(clip)
    assert second.ended(job_id)["status"] == "finished"
    with first.http() as client:
        assert client.get(f"/v1/jobs/{job_id}/audio").content == clip.read_bytes()
        assert client.delete(f"/v1/jobs/{job_id}").status_code == 200
    assert_error(first.get(f"/v1/jobs/{job_id}"), 404, "job_not_found", "id")
    until(lambda: second.get(f"/v1/jobs/{job_id}").status_code == 404, "the other knows it, too")
    assert job_id not in str(second.get("/v1/jobs").json())


@pytest.mark.fault(181)
def test_while_the_store_is_away_jobs_wait_and_none_is_lost(
    machines: list[LiveService], seaweedfs: SeaweedFS, long_file: Path
) -> None:
    """Redis is there all the time: half a partition. Whoever could not write tries again a minute later at most."""
    first, second = machines
    undisturbed = first.submit(long_file)
    assert first.ended(undisturbed)["status"] == "finished"
    job_id = first.submit(long_file)
    until(lambda: first.job(job_id)["processed_seconds"] > 0, "it is decoded")
    seaweedfs.stop()
    until(lambda: first.get(f"/v1/jobs/{job_id}").status_code == 503, "the API says that it cannot read the store")
    assert_error(first.get(f"/v1/jobs/{job_id}"), 503, "store_unavailable")
    seaweedfs.start()
    seaweedfs.wait()
    until(lambda: second.get(f"/v1/jobs/{job_id}").status_code == 200, "the store is read again")
    assert second.ended(job_id)["status"] == "finished"
    assert transcript(first, job_id) == transcript(second, undisturbed)


def test_a_store_that_cannot_be_reached_is_said_at_the_start(
    start_service: Start, machines: list[LiveService], seaweedfs: SeaweedFS
) -> None:
    settings = {**seaweedfs.environment(), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with pytest.raises(AssertionError, match=r"Check that s3://whisper/there \(WHISPER_STORE\) is there"):
        start_service("lost", **settings, WHISPER_STORE="s3://whisper/there", WHISPER_ENGINE="fake")
