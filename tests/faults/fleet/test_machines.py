"""Machines that go and come back, on networks of their own.

Slow: a real SeaweedFS, three machines that each start a part of the service, and leases that run out.
"""

from __future__ import annotations

import pytest

from tests.acceptance.live import until
from tests.faults.fleet.conftest import Three
from tests.fleet.fleet import in_hand
from tests.fleet.machine import pause

pytestmark = pytest.mark.slow

HOUR = 40.0  # seconds that are one here: longer than any wait for Redis, the store, a lease


def both_work(three: Three) -> None:
    until(lambda: in_hand(three.mac) and in_hand(three.pc), "both have jobs in hand")


@pytest.mark.fault(190)
def test_a_machine_that_is_gone_without_a_word_takes_nothing_along(three: Three) -> None:
    """Takes the time of a lease that nobody ends, after three machines have started."""
    jobs = three.promise()
    both_work(three)
    three.mac.vanish()
    jobs.hold(three.box)
    three.mac.start()


@pytest.mark.fault(191)
@pytest.mark.parametrize("seconds", [1.0, 12.0, HOUR], ids=["10 s", "2 min", "an hour"])
def test_a_machine_whose_network_is_gone_for_a_while_leaves_no_late_result(three: Three, seconds: float) -> None:
    """A tenth of the times, and for the hour what is longer than everything that waits."""
    jobs = three.promise()
    both_work(three)
    with three.mac.offline():
        pause(seconds)
    jobs.hold(three.box)
    three.mac.wait()
    more = three.promise()  # more than the other one takes
    until(lambda: in_hand(three.mac), "it works again")
    more.hold(three.box)
    jobs.hold(three.box)


@pytest.mark.fault(192)
@pytest.mark.parametrize("lost", ["store", "redis"])
@pytest.mark.parametrize("seconds", [3.0, 30.0])
def test_half_a_partition_loses_nothing(three: Three, lost: str, seconds: float) -> None:
    """The worker reaches one of both: it may go on, but not end what another has by then."""
    address = three.fleet.store_address if lost == "store" else three.fleet.redis_address
    jobs = three.promise()
    both_work(three)
    with three.mac.offline(address):
        pause(seconds)
    jobs.hold(three.box)
    three.mac.wait()


@pytest.mark.fault(192)
def test_a_box_that_reaches_half_of_it_loses_nothing(three: Three) -> None:
    """Takes the time of two partitions."""
    for address in (three.fleet.store_address, three.fleet.redis_address):
        jobs = three.promise()
        both_work(three)
        with three.box.offline(address):
            assert three.box.get(f"/v1/jobs/{jobs.ids[0]}").status_code in (200, 503)
            assert three.box.get("/health").status_code == 200
            assert three.box.get("/health/ready").status_code == 503
        jobs.hold(three.box)
