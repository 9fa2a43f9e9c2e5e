"""Durations keep their order, at every scale."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.api_service import worker_settings
from worker.runtime.timing import Timing


def test_a_duration_out_of_order_is_refused_with_the_rule_it_breaks() -> None:
    with pytest.raises(ValueError, match=r"hand_back \(9 s\) must be shorter than drain \(8\.5 s\): .* in hand"):
        Timing(hand_back=9.0)
    with pytest.raises(ValueError, match=r"last_resort \(9\.5 s\) must be shorter than grace \(9 s\)"):
        Timing(grace=9.0)
    with pytest.raises(ValueError, match=r"beat \+ beat \+ beat \(33 s\) must be shorter than lease \(30 s\)"):
        Timing(beat=11.0, presence=40.0, confirm=12.0, settle=12.0)
    with pytest.raises(ValueError, match="longer than 0 s"):
        Timing(place=0.0)


def test_scale_one_changes_nothing() -> None:
    assert Timing().scaled(1.0) == Timing() == worker_settings().timing


def test_a_tenth_of_the_time_keeps_what_is_not_the_services_own() -> None:
    tenth = worker_settings(time_scale=0.1).timing
    assert (tenth.beat, tenth.lease, tenth.settle, tenth.abandon) == (0.5, 3.0, 1.5, 3.0)
    assert tenth.takeover == pytest.approx(3.0 + 1.0 + 2 * 0.3)
    fixed = (
        "redis_silence",
        "redis_answer",
        "answered",
        "unanswered",
        "repeatable",
        "overdue",
        "partial",
        "keep_alive",
    )
    assert all(getattr(tenth, name) == getattr(Timing(), name) for name in fixed)


@given(st.floats(0.01, 1.0))
def test_all_rules_hold_at_every_scale(factor: float) -> None:
    scaled = Timing().scaled(factor)
    assert all(0 < getattr(scaled, each.name) <= getattr(Timing(), each.name) for each in fields(Timing))


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.5])
def test_no_other_scale_is_taken(factor: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        Timing().scaled(factor)


def test_a_floor_never_makes_a_duration_longer() -> None:
    short = replace(Timing(), feed_block=0.01)
    assert short.scaled(0.5).feed_block == 0.01
