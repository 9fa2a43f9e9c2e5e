"""The simulated fleet: workers add up until something that all share is busy."""

from __future__ import annotations

import pytest

from scripts.benchmarking.simulated_fleet import Costs, Kind, fleet_table, play

FAST = Kind(lambda windows: 0.5 + 0.1 * windows, max_batch=16, slots=32)
SLOW = Kind(lambda windows: 2.0 + 0.4 * windows, max_batch=16, slots=32)
CHEAP = Costs(api=0.001, redis=0.001, store=0.001)


def test_a_lone_caller_waits_for_a_pass_and_for_what_his_job_costs() -> None:
    result = play([FAST], CHEAP, 1)
    assert result.latencies == pytest.approx([FAST.cost(1) + 0.003] * 8)


def test_two_workers_do_nearly_twice_what_one_does() -> None:
    one, two = (play([FAST] * workers, CHEAP, 64 * workers).throughput for workers in (1, 2))
    assert one == pytest.approx(FAST.most, rel=0.1)
    assert two >= 1.8 * one


def test_a_slow_worker_holds_up_no_fast_one() -> None:
    result = play([FAST, SLOW], CHEAP, 128)
    assert result.throughput >= 0.85 * (FAST.most + SLOW.most)


def test_what_all_share_is_the_limit_however_many_workers_there_are() -> None:
    result = play([FAST] * 16, Costs(api=0.05, redis=0.001, store=0.001), 512)
    assert result.throughput == pytest.approx(1 / 0.05, rel=0.05)
    assert result.busy["API"] > 0.9
    two = play([FAST] * 16, Costs(api=0.05, redis=0.001, store=0.001, apis=2), 512)
    assert two.throughput == pytest.approx(2 / 0.05, rel=0.05)


def test_the_table_has_a_row_for_each_size() -> None:
    rows = fleet_table([1, 3], [FAST, SLOW], CHEAP, each=4)
    assert [row.split(" ")[1] for row in rows[2:]] == ["1", "3"]
    assert all(row.count("|") == 9 for row in rows)
