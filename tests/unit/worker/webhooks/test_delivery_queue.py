"""One sender has a delivery in hand, or reads the store, at a time; a dead one blocks nobody for long."""

from __future__ import annotations

import pytest
from fakeredis import FakeRedis
from redis.lock import Lock

from worker.runtime.timing import Timing
from worker.webhooks.delivery_queue import CLAIM, SCAN, DeliveryQueue


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis()


def test_a_claim_is_one_senders_until_it_is_released(redis: FakeRedis) -> None:
    ours, theirs = DeliveryQueue(redis, "ours"), DeliveryQueue(redis, "theirs")
    assert ours.claim("job_1")
    assert not theirs.claim("job_1")
    theirs.release("job_1")
    assert redis.get(f"{CLAIM}job_1") == b"ours"
    ours.release("job_1")
    assert theirs.claim("job_1")


def test_a_claim_runs_out_unless_it_is_renewed(redis: FakeRedis) -> None:
    ours, key = DeliveryQueue(redis, "ours"), f"{CLAIM}job_1"
    ours.claim("job_1")
    redis.pexpire(key, 1000)
    ours.renew(["job_1", "job_of_nobody"])
    assert Timing().webhook_claim - 1 < redis.pttl(key) / 1000 <= Timing().webhook_claim


def test_a_call_that_ends_while_claims_are_renewed_releases_its_own(
    redis: FakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls are made on threads of their own."""
    ours = DeliveryQueue(redis, "ours")
    for job_id in ("job_1", "job_2"):
        ours.claim(job_id)
    reacquire = Lock.reacquire

    def slow(lock: Lock) -> bool:
        ours.release("job_2")
        return bool(reacquire(lock))

    monkeypatch.setattr(Lock, "reacquire", slow)
    ours.renew(["job_1", "job_2"])
    assert redis.exists(f"{CLAIM}job_1")
    assert not redis.exists(f"{CLAIM}job_2")


def test_a_claim_that_ran_out_and_is_anothers_is_neither_renewed_nor_released(redis: FakeRedis) -> None:
    ours, key = DeliveryQueue(redis, "ours"), f"{CLAIM}job_1"
    ours.claim("job_1")
    redis.set(key, "theirs", px=1000)
    ours.renew(["job_1"])
    assert 0 < redis.pttl(key) <= 1000
    ours.release("job_1")
    assert redis.get(key) == b"theirs"


def test_the_store_is_read_by_one_sender_at_a_time(redis: FakeRedis) -> None:
    ours, theirs = DeliveryQueue(redis, "ours"), DeliveryQueue(redis, "theirs")
    assert ours.has_forgotten()
    with ours.scanning() as is_ours, theirs.scanning() as is_theirs:
        assert (is_ours, is_theirs) == (True, False)
        assert 0 < redis.pttl(SCAN) / 1000 <= Timing().webhook_scan_lock
    assert not redis.exists(SCAN)
    assert not theirs.has_forgotten()


def test_a_sender_that_fails_as_it_reads_leaves_it_to_another(redis: FakeRedis) -> None:
    ours = DeliveryQueue(redis, "ours")
    with pytest.raises(OSError, match="the disk is gone"), ours.scanning():
        raise OSError("the disk is gone")
    assert not redis.exists(SCAN)
    assert ours.has_forgotten()
