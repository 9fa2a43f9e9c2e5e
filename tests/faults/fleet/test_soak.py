"""A minute and a half of what `python -m tests.soak --fleet` does for twenty, at a tenth of all times."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fleet.network import NoMachines
from tests.soak.fleet.run import CALLS, soak_fleet
from tests.soak.plan import FLEET, FLEET_KINDS, Pace, plan

SEED = int(os.environ.get("SOAK_SEED", "45"))
PACE = Pace(90.0, 12.0, CALLS)


def test_every_kind_of_fault_has_its_turn() -> None:
    every = {f"{kind} {target}" for kind, targets in FLEET_KINDS.items() for target in targets}
    assert {fault.name for fault in plan(SEED, replace(PACE, seconds=4 * 3600.0), 4, FLEET).faults} == every


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.fault(190)
@pytest.mark.fault(191)
@pytest.mark.fault(192)
@pytest.mark.fault(195)
@pytest.mark.fault(199)
def test_nothing_is_lost_told_twice_or_left_over_whatever_goes_away(tmp_path: Path) -> None:
    """Slow by design: two boxes and three workers under load, which lose each other, their Redis and their store."""
    try:
        report = soak_fleet(tmp_path, SEED, PACE, scale=0.1)
    except NoMachines as error:
        pytest.skip(str(error))
    assert not report.problems, str(report)
    assert report.jobs > 10
    assert sum(report.faults.values()) == len(plan(SEED, PACE, 3, FLEET).faults)
