"""What the doctor makes of what workers tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.operations.present_workers import UNKNOWN, PresentWorker, unserved
from scripts.doctor.workers import _of, workers
from worker.queue.heartbeat import WorkerHeartbeat
from worker.telemetry.vitals import Vitals

READY = WorkerHeartbeat("host-1", "ready", "base", "faster-whisper", "cuda:0", 4711, loaded="base")
VITALS = Vitals(host="host", beat_at=100.0, jobs=2)


@pytest.mark.parametrize(
    ("heartbeat", "vitals", "state", "says"),
    [
        (READY, VITALS, "OK", "host-1: ready, base faster-whisper cuda:0"),
        (READY, VITALS, "OK", "2 jobs in hand, last beat 3 s ago, clock +0.000 s"),
        (READY, replace(VITALS, is_draining=True), "OK", "draining"),
        (READY, replace(VITALS, skew=-3600.0), "warning", "set both by NTP"),
        (READY, replace(VITALS, version="0.0.1"), "warning", "restart the service"),
        (READY, UNKNOWN, "warning", "an earlier version"),
        (replace(READY, state="failed", error="no memory"), VITALS, "FAILURE", "no memory"),
    ],
)
def test_a_worker(heartbeat: WorkerHeartbeat, vitals: Vitals, state: str, says: str) -> None:
    finding = _of(PresentWorker(heartbeat, vitals), now=103.0)
    assert (finding.state, says in finding.detail) == (state, True), finding


def test_a_model_that_none_serves_is_missed_and_one_that_may_be_served_is_not() -> None:
    small = PresentWorker(READY, replace(VITALS, models=("small",)))
    draining = PresentWorker(READY, replace(VITALS, models=("base",), is_draining=True))
    assert unserved(["base", "small"], [small, draining]) == ["base"]
    assert unserved(["base", "small"], [small, PresentWorker(READY, UNKNOWN)]) == []


def test_nothing_is_said_of_a_service_that_does_not_run() -> None:
    assert list(workers(None)) == []
