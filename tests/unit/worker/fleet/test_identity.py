"""A process has a name that no other has had, and only its own machine judges whether it is gone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from worker.fleet import identity
from worker.fleet.identity import is_dead, local_pid, process_name, process_of


def slot_of(name: str) -> str:
    return f"batch.{name}.0a1b2c3d"


def test_every_process_has_a_name_of_its_own() -> None:
    """Their machine and, in a container, their pid may be the same."""
    program = "from worker.fleet.identity import process_name; print(process_name())"
    names = [subprocess.check_output([sys.executable, "-c", program], text=True).split("-") for _ in range(2)]
    (*machine, random, _), (*same, other, _) = names
    assert machine == same
    assert random != other
    assert process_of(slot_of(process_name())) == process_name()


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot ask whether a process is there without ending it")
def test_a_process_of_this_machine_is_dead_once_it_is_gone() -> None:
    program = "from worker.fleet.identity import process_name; print(process_name(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout
        name = process.stdout.readline().strip()
        assert local_pid(name) == process.pid
        assert not is_dead(slot_of(name))
        process.communicate("\n")
    assert is_dead(slot_of(name))


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot ask whether a process is there without ending it")
def test_who_had_our_number_before_is_dead() -> None:
    *machine, random, pid = process_name().split("-")
    assert not is_dead(slot_of(process_name()))
    assert is_dead(slot_of("-".join([*machine, random[::-1] + "0", pid])))
    assert local_pid("-".join([*machine, pid])) == int(pid), "an earlier version's name"


@pytest.mark.parametrize("name", ["", "x", "host-1", "host-0a1b2c3d-4026531836-99999999-999999999"])
def test_a_process_of_another_machine_is_not_judged(name: str) -> None:
    assert local_pid(name) is None
    assert not is_dead(slot_of(name))


def test_a_machine_of_the_same_name_that_does_not_say_when_it_started_is_not_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two Macs may have one name."""
    for name in (identity._machine, identity._boot):
        name.cache_clear()
    monkeypatch.setattr(identity, "_boot", lambda: "")
    try:
        *before, _ = process_name().split("-")
        assert not is_dead(slot_of("-".join([*before, "999999999"])))
    finally:
        identity._machine.cache_clear()
