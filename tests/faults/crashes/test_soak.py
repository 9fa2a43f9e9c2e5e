"""Two minutes of what `make soak` does for twenty: random faults under load."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.plan import FAULTS_PER_MINUTE, KINDS, SPARED, WORKER_KILLED, Pace, plan
from tests.soak.run import ENGINES, soak

SEED = int(os.environ.get("SOAK_SEED", "153"))  # of each kind of fault about one
PACE = Pace(120.0, FAULTS_PER_MINUTE, ENGINES["fake"].calls_per_minute)


def test_a_seed_gives_the_same_faults_and_calls_again() -> None:
    first = plan(SEED, PACE, 4)
    assert plan(SEED, PACE, 4) == first
    assert plan(SEED + 1, PACE, 4) != first
    kills = [fault.at for fault in plan(SEED, replace(PACE, seconds=3600.0), 4).faults if fault.name == WORKER_KILLED]
    assert all(third - first > SPARED for first, third in zip(kills, kills[2:], strict=False))
    every = {f"{kind} {target}" for kind, targets in KINDS.items() for target in targets}
    assert {fault.name for fault in plan(SEED, replace(PACE, seconds=4 * 3600.0), 4).faults} == every


@pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")
@pytest.mark.slow  # two minutes by design; test_crashes and test_redis show each of its faults by itself
@pytest.mark.timeout(600)
@pytest.mark.fault(1)
@pytest.mark.fault(2)
@pytest.mark.fault(9)
@pytest.mark.fault(10)
def test_nothing_is_lost_told_twice_or_left_over_whatever_is_killed(tmp_path: Path) -> None:
    """Takes the two minutes for which the service is broken."""
    report = soak(tmp_path, SEED, PACE, "fake")
    assert not report.problems, str(report)
    assert report.jobs > 10
    assert sum(report.faults.values()) == len(plan(SEED, PACE, 4).faults)
