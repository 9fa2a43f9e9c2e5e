"""A store that is slow, full, read-only or refuses, and a Redis that is another's or empty, under two machines at work.

Slow: as test_machines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.acceptance.live import assert_error, until
from tests.faults.fleet.conftest import Three
from tests.faults.fleet.test_machines import both_work
from tests.fleet.machine import pause

pytestmark = pytest.mark.slow


def submitted(three: Three) -> httpx.Response:
    with open(three.long_file, "rb") as file:
        return three.box.post("/v1/jobs", files={"file": file})


def can_be_read(three: Three) -> bool:
    try:
        return three.fleet.bucket.entry("store.id") is not None
    except OSError:
        return False


@contextmanager
def full(ballast: Path) -> Iterator[None]:
    """The file system of this file."""
    with open(ballast, "wb") as file, suppress(OSError):
        while True:
            file.write(bytes(1024 * 1024))
            file.flush()
    yield
    ballast.unlink()


@pytest.mark.fault(193)
def test_a_slow_store_costs_time_alone(three: Three) -> None:
    """Takes the 2 s of every request."""
    jobs = three.promise()
    both_work(three)
    three.fleet.proxy.delay = 2.0
    try:
        pause(20)
        assert three.box.get("/health").elapsed.total_seconds() < 1
        more = three.promise(1)
    finally:
        three.fleet.proxy.well()
    jobs.hold(three.box)
    more.hold(three.box)


@pytest.mark.fault(194)
def test_a_store_that_refuses_keeps_jobs_waiting(three: Three) -> None:
    jobs = three.promise()
    both_work(three)
    three.fleet.proxy.is_refusing = True
    try:
        until(lambda: three.box.get("/health/ready").status_code == 503, "it is said")
        refused = submitted(three)
        assert_error(refused, 503, "store_unavailable")
        assert "retry-after" in refused.headers
    finally:
        three.fleet.proxy.well()
    jobs.hold(three.box)


@pytest.mark.fault(194)
def test_a_store_that_may_only_be_read_keeps_jobs_waiting(three: Three) -> None:
    """Takes two starts of SeaweedFS."""
    jobs = three.promise()
    both_work(three)
    store = three.fleet.store
    store.stop()
    store.start("Read", "List")
    until(lambda: can_be_read(three), "it is read again")
    refused = submitted(three)
    assert_error(refused, 503, "store_unavailable")
    store.stop()
    store.start()
    store.wait()
    jobs.hold(three.box)


@pytest.mark.fault(194)
def test_a_full_store_keeps_jobs_waiting(three: Three) -> None:
    """SeaweedFS looks at its disk once a minute."""
    jobs = three.promise()
    both_work(three)
    with full(three.fleet.directory / "seaweedfs" / "ballast"):
        assert_error(submitted(three), 503, "store_unavailable")
    three.fleet.store.wait()
    jobs.hold(three.box)


@pytest.mark.fault(195)
@pytest.mark.parametrize("is_empty", [False, True], ids=["as it was", "empty"])
def test_a_redis_that_comes_back_costs_no_job(three: Three, is_empty: bool) -> None:
    jobs = three.promise()
    both_work(three)
    three.fleet.redis.kill()
    if is_empty:
        three.fleet.redis.empty()
    pause(1)
    three.fleet.redis.start()
    jobs.hold(three.box)
