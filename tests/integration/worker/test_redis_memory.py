"""How much of Redis's memory a job takes once it has ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Sample
from tests.integration.running_worker import RunningWorker, redis_server
from worker.queue.events import ENDED_TTL

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

MOST = 3_000  # bytes; it was 11 000


@pytest.mark.fault(96)
def test_little_is_kept_of_a_finished_job(tmp_path: Path, sample: Sample) -> None:
    with redis_server() as redis:
        worker = RunningWorker(redis.url, tmp_path, 0.1)
        try:
            worker.start()
            request = worker.submit(sample.path)
            assert worker.outcome(request).state == "finished"
            worker.wait_for_status(request, "finished")
            names = list(worker.redis.scan_iter(f"*{request.id}*"))
            lasting = [name for name in names if not 0 < worker.redis.ttl(name) <= ENDED_TTL]
            assert lasting
            assert sum(worker.redis.memory_usage(name, samples=0) or 0 for name in lasting) < MOST
        finally:
            worker.end()
