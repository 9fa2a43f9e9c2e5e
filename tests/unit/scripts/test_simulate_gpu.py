"""The simulated GPU: costs as published, the real policy, nobody starved."""

from __future__ import annotations

import pytest

from scripts.simulate_gpu import CLIP, IN_EIGHTS, LONG_WINDOW, ONE_BY_ONE, WINDOWS, Machine, simulate, table

QUARANTINE, SHARED = Machine(1, 16), Machine(16, 16)


def test_the_cost_model_gives_the_published_figures_back() -> None:
    assert WINDOWS * QUARANTINE.cost(1) == pytest.approx(ONE_BY_ONE)
    assert 3 * SHARED.cost(8) + SHARED.cost(2) == pytest.approx(IN_EIGHTS)


@pytest.mark.parametrize("machine", [QUARANTINE, SHARED])
def test_a_lone_caller_waits_for_one_pass_of_his_own(machine: Machine) -> None:
    outcome = simulate(machine, 1, long_job=False)
    assert outcome.latencies == pytest.approx([machine.cost(1)] * len(outcome.latencies))
    assert outcome.throughput == pytest.approx(CLIP / machine.cost(1))


def test_full_passes_are_the_limit_of_what_many_callers_get() -> None:
    outcome = simulate(SHARED, 320, long_job=False)
    assert outcome.throughput == pytest.approx(16 * CLIP / SHARED.cost(16), rel=0.01)


def test_a_long_job_moves_however_many_callers_there_are() -> None:
    outcome = simulate(SHARED, 320, long_job=True)
    passes = outcome.seconds / SHARED.cost(16)
    assert outcome.long_seconds >= LONG_WINDOW * (passes // 9), "one window in nine passes at least"


def test_the_table_has_a_row_for_each_number_of_callers() -> None:
    rows = table({"alone": QUARANTINE, "shared": SHARED}, long_job=True, callers=(1, 4))
    assert [row.partition(" | ")[0] for row in rows[2:]] == ["| 1", "| 4"]
    assert all(row.count("|") == 4 for row in rows)
