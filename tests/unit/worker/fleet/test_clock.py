"""All processes of a service have one time, Redis', whatever their machines think."""

from __future__ import annotations

import time
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer

from worker.fleet.clock import Clock, RedisClock
from worker.queue.job_queue import QUEUES
from worker.queue.leases import Lease, Leases
from worker.runtime.timing import Timing

HOUR = 3600.0


class ServerClock(FakeRedis):
    """A Redis whose clock is right while this machine's is off."""

    ahead = 0.0  # of it, by this machine's

    def time(self, **kwargs: Any) -> tuple[int, int]:
        at = time.time() - self.ahead
        return int(at), int(at % 1 * 1e6)


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_a_machine_whose_clock_is_wrong_has_redis_time_once_it_has_asked(ahead: float) -> None:
    redis, clock = ServerClock(), RedisClock()
    redis.ahead = ahead
    assert clock.now() == pytest.approx(time.time(), abs=60)
    assert clock.measure(redis) == pytest.approx(ahead, abs=60)
    assert clock.now() == pytest.approx(time.time() - ahead, abs=60)


def test_a_clock_that_is_set_between_two_measurements_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, right = RedisClock(), time.time()
    clock.measure(ServerClock())
    monkeypatch.setattr("time.time", lambda: right + HOUR)
    assert clock.now() == pytest.approx(right, abs=60)
    assert Clock().now() == right + HOUR


def test_without_redis_it_goes_on_as_it_went() -> None:
    redis, clock = FakeRedis(server=FakeServer()), RedisClock()
    clock.measure(redis)
    redis.connection_pool.connection_kwargs["server"].connected = False
    clock.try_to_measure(redis)
    assert clock.now() == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_a_lease_is_as_long_to_every_machine(ahead: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own time one of these would have been silent for an hour, or keep its job for one after its death."""
    redis, clock, right = ServerClock(), RedisClock(), time.time()
    clock.measure(redis)
    monkeypatch.setattr("time.time", lambda: right + ahead)
    leases = Leases(redis, QUEUES, clock=clock)
    assert leases.renew(Lease("batch", "job_1", "1"))
    ((_, ends),) = leases._all()
    assert ends == pytest.approx(right + Timing().lease, abs=60)
