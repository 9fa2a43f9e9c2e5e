"""When a dead child is started again, and when it is given up."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from scripts.service.supervisor import Child, ChildCannotStart, ChildSpec, Supervisor
from scripts.supervision.restart_policy import START_LIMIT, RestartPolicy
from tests.unit.factories import wait_for
from worker.queue.dead_workers import ASKED_FOR
from worker.runtime.exit_codes import DRAINED, STORE_AWAY
from worker.runtime.timing import Timing


def test_waits_twice_as_long_after_each_death_up_to_half_a_minute() -> None:
    policy = RestartPolicy()
    assert [policy.delay_after(1.0) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_minute_of_life_makes_the_next_death_the_first_again() -> None:
    policy = RestartPolicy()
    for _ in range(4):
        policy.delay_after(1.0)
    assert policy.delay_after(60.0) == 0.5
    assert policy.delay_after(59.9) == 1


def test_a_child_that_always_leaves_at_once_is_hopeless() -> None:
    policy = RestartPolicy()
    verdicts = []
    for _ in range(5):
        policy.delay_after(1.0)
        verdicts.append(policy.hopeless)
    assert verdicts == [False, False, False, False, True]


def test_a_child_that_stayed_up_once_is_never_given_up() -> None:
    policy = RestartPolicy()
    policy.delay_after(61.0)
    for _ in range(20):
        policy.delay_after(0.1)
    assert not policy.hopeless


def test_a_child_whose_store_is_away_is_not_one_that_cannot_start() -> None:
    policy = RestartPolicy()
    delays = [policy.delay_after(0.1, has_excuse=True) for _ in range(20)]
    assert not policy.hopeless
    assert delays[-1] == 30, "a start costs some seconds of processor time, and the store may be away for hours"


def test_a_killed_child_is_not_one_that_cannot_start() -> None:
    policy = RestartPolicy()
    for _ in range(20):
        policy.delay_after(0.1, by_signal=True)
    assert not policy.hopeless


def test_a_system_without_a_process_to_spare_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    child = Child(ChildSpec("sleeper", [sys.executable, "-c", "input()"]), lambda: now)
    spawn = subprocess.Popen

    def exhausted(*args: Any, **options: Any) -> Any:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", exhausted)
    child.tend(may_start=True)
    monkeypatch.setattr(subprocess, "Popen", spawn)
    child.tend(may_start=True)
    assert child.gone(), "it is not tried at once again"
    now = Timing().spawn_retry
    child.tend(may_start=True)
    assert not child.gone()
    child.end()


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="the system cannot say how a process ended without burying it")
@pytest.mark.parametrize(("program", "code"), [("os._exit(3)", 3), ("os.kill(os.getpid(), signal.SIGABRT)", -6)])
def test_who_is_told_of_a_death_hears_how_it_came_before_anyone_else_finds_it(program: str, code: int) -> None:
    told: list[int] = []

    def died(pid: int, code: int) -> None:
        os.kill(pid, 0)  # raises once the system has forgotten it
        told.append(code)

    argv = [sys.executable, "-c", f"import os, signal; {program}"]
    child = Child(ChildSpec("short", argv, died=died), lambda: 0.0)
    child.tend(may_start=True)
    wait_for(lambda: not child.tend(may_start=False) and told)
    assert told == [code]
    assert child.gone()


@pytest.mark.fault(192)
@pytest.mark.parametrize(("code", "is_given_up"), [(STORE_AWAY, False), (1, True)])
def test_a_child_whose_store_stays_away_is_started_again_and_again(code: int, is_given_up: bool) -> None:
    now = 0.0

    def is_buried() -> bool:
        child.tend(may_start=False)
        return child._process is None

    child = Child(ChildSpec("api", [sys.executable, "-c", f"raise SystemExit({code})"]), lambda: now)
    with pytest.raises(ChildCannotStart) if is_given_up else nullcontext():
        for _ in range(START_LIMIT + 1):
            child.tend(may_start=True)
            wait_for(is_buried)
            now += 30


def test_a_program_that_is_not_there_is_no_passing_trouble() -> None:
    with pytest.raises(FileNotFoundError):
        Child(ChildSpec("nothing", ["/nonexistent/program"]), lambda: 0.0).tend(may_start=True)


def test_with_the_last_child_that_is_done_the_others_stop() -> None:
    """One that is done is not started again, and one that dies is, until it is done too."""
    stays = ChildSpec("stays", (sys.executable, "-c", "import time; time.sleep(60)"))
    done = ChildSpec("done", (sys.executable, "-c", "raise SystemExit(72)"), last=(72,))
    Supervisor([replace(done, name="other"), done, stays], timing=Timing().scaled(0.1)).run()


def test_a_worker_that_has_nothing_in_hand_any_more_has_not_crashed() -> None:
    assert DRAINED in ASKED_FOR
