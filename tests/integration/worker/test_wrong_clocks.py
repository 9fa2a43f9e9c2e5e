"""Two workers whose clocks are an hour off, one either way, on one store and one Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import media
from tests.conftest import Sample
from tests.integration.running_worker import RunningWorker, redis_server, wait_for
from worker.queue import heartbeat
from worker.telemetry.vitals import vitals_of

HOUR = 3600


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[RunningWorker]:
    with redis_server() as redis:
        running = RunningWorker(redis.url, tmp_path, scale=0.1)
        yield running
        running.end()


@pytest.mark.slow
@pytest.mark.fault(170)
def test_a_clock_that_is_an_hour_off_costs_no_job_and_dates_none_wrong(
    fleet: RunningWorker, tmp_path: Path, sample: Sample
) -> None:
    """Each runs a job for longer than a lease, and both look for workers that are silent, which takes 10 s: slow."""
    voice = media.read(sample.path)
    recording = media.write(tmp_path / "talk.flac", np.concatenate([np.zeros(16_000, np.float32), voice] * 10))
    began = time.time()
    for ahead in (HOUR, -HOUR):
        fleet.start(clock=ahead, model="1.2", lanes="1", max_batch="1", batch_slots="1", ready=False)
    wait_for(lambda: [worker.state for worker in heartbeat.workers(fleet.redis)] == ["ready", "ready"])
    outcomes = [fleet.outcome(job) for job in [fleet.submit(recording) for _ in range(2)]]
    ended = time.time()
    for outcome in outcomes:
        assert (outcome.state, outcome.attempts) == ("finished", 1)
        assert outcome.started_at
        assert began - 1 <= outcome.started_at <= outcome.ended_at <= ended + 1
        assert outcome.ended_at - outcome.started_at > fleet.timing.lease + fleet.timing.confirm, "nothing was proved"
    assert "silent" not in fleet.log_file.read_text()
    names = [worker.name for worker in heartbeat.workers(fleet.redis)]
    skews = sorted(vitals.skew for vitals in vitals_of(fleet.redis, names) if vitals)
    assert skews == pytest.approx([-HOUR, HOUR], abs=60)
