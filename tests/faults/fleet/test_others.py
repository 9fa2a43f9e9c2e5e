"""Machines that are not like the others: of the same name, of another version, with another clock, and fresh ones.

Slow: as test_machines.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.live import ROOT, until
from tests.faults.fleet.conftest import Three
from tests.faults.fleet.test_machines import both_work
from tests.faults.processes import kill
from tests.fleet.fleet import BOX, WORKER, in_hand
from tests.fleet.machine import Machine, faketime
from tests.soak.breaking import process_of

pytestmark = pytest.mark.slow

EARLIER = os.environ.get("FLEET_EARLIER", "HEAD~1")  # another commit of this repository


@pytest.mark.fault(197)
def test_twins_are_not_taken_for_each_other(three: Three) -> None:
    """Takes the start of a machine, and the time of six recordings, of which some are taken up by another one."""
    twin = three.fleet.add(WORKER, three.mac.name)
    twin.start()
    one, other = (until(machine.workers, "it is heard of")[0] for machine in (three.mac, twin))
    assert one.pid == other.pid, "nothing would be shown"
    jobs = three.promise(6)
    until(lambda: in_hand(three.mac) and in_hand(twin), "both have jobs in hand")
    victim = process_of(twin, "worker")
    assert victim
    kill(victim)
    jobs.hold(three.box)
    attempts = [three.box.job(job_id)["attempts"] for job_id in jobs.ids]
    assert 1 in attempts, "the other's jobs were taken, too"
    twin.wait()
    twin.stop()


@pytest.mark.fault(196)
def test_a_clock_that_is_minutes_off_changes_nothing(three: Three) -> None:
    """Takes the start of two machines, and the time of the jobs they share."""
    fast, slow = three.fleet.add(WORKER, "fast", ahead=600), three.fleet.add(BOX, "slow", ahead=-600)
    three.fleet.start(fast, slow)
    began = time.time()
    jobs = three.promise(6, slow)
    until(lambda: in_hand(fast), "it works")
    jobs.hold(slow)
    for job in [three.box.job(job_id) for job_id in jobs.ids]:
        assert began - 5 < job["started_at"] < job["ended_at"] < time.time() + 5
        assert job["attempts"] == 1
    fast.stop()
    slow.stop()


@pytest.mark.fault(196)
@pytest.mark.parametrize("ahead", [3600, -3600])
def test_a_clock_that_no_store_trusts_is_said(three: Three, ahead: int) -> None:
    if reason := faketime():
        pytest.skip(reason)
    lost = three.fleet.add(WORKER, "lost", faked=ahead)
    lost.begin()
    until(lambda: not lost.is_there, "it does not start")
    assert "this machine's clock is more than a quarter of an hour off" in lost.log()


@pytest.mark.fault(198)
def test_the_version_before_works_beside_this_one(three: Three, tmp_path: Path) -> None:
    """Takes the start of three machines, and the time of eight recordings, most of which change hands."""
    older = three.fleet.add(WORKER, "older", tree=checked_out(tmp_path))
    older.start()
    jobs = three.promise(8)
    until(lambda: in_hand(older) and in_hand(three.mac), "both versions work")
    three.mac.vanish()
    three.pc.vanish()
    jobs.hold(three.box)
    older.stop()
    three.fleet.start(three.mac, three.pc)


def checked_out(directory: Path) -> Path:
    """The repository as it was."""
    command = f"git -C {ROOT} archive {EARLIER} | tar -x -C {directory}"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"there is no {EARLIER} here: {done.stderr.strip()[:200]}")
    return directory


@pytest.mark.fault(199)
def test_a_fresh_box_goes_on_where_the_last_one_was(three: Three) -> None:
    """The old one is lost with all that lay on it, while jobs wait and run and webhooks are owed."""
    doomed: Machine = three.fleet.add(BOX, "doomed")
    doomed.start()
    jobs = three.promise(box=doomed)
    both_work(three)
    doomed.vanish()
    fresh = three.fleet.add(BOX, "fresh")
    fresh.start()
    jobs.hold(fresh)
    fresh.stop()
