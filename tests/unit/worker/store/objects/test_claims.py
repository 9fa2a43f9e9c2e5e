"""A claim that stands still is nobody's; one that moves is held."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from obstore.store import MemoryStore

from worker.store.errors import StoreUnavailable
from worker.store.idempotency import ClaimBusy, Claimed
from worker.store.objects.bucket import Bucket
from worker.store.objects.claims import ObjectClaims


@pytest.fixture
def bucket() -> Bucket:
    return Bucket(MemoryStore())


def nobody(job_id: str) -> bool:
    return False


@pytest.mark.fault(183)
def test_a_dead_process_holds_nothing_once_it_was_silent_for_long(bucket: Bucket) -> None:
    of_dead = ObjectClaims(bucket, nobody).hold("key")
    others = ObjectClaims(bucket, nobody, dead=0.0)
    with pytest.raises(ClaimBusy):
        others.hold("key")  # it is seen for the first time
    others.hold("key").release()
    with pytest.raises(ClaimBusy):
        of_dead.write(Claimed("job_1", "abc"))
    of_dead.release()


def test_a_holder_that_lives_keeps_its_key(bucket: Bucket) -> None:
    claim = ObjectClaims(bucket, nobody).hold("key")
    others = ObjectClaims(bucket, nobody, dead=0.0)
    for _ in range(3):
        with pytest.raises(ClaimBusy):
            others.hold("key")
        claim._keep()
    claim.release()


def test_a_change_whose_answer_was_lost_leaves_the_key_where_it_was(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store was away for a moment: whether it had heard of the change nobody knows."""
    claim = ObjectClaims(bucket, nobody).hold("key")
    swap = bucket.swap

    def lost(*arguments: Any) -> str:
        swap(*arguments)
        raise StoreUnavailable(errno.EIO, "away")

    with monkeypatch.context() as away:
        away.setattr(bucket, "swap", lost)
        claim._keep()
    claim.write(Claimed("job_1", "abc"))
    assert ObjectClaims(bucket, nobody).read("key") == Claimed("job_1", "abc")
    claim.release()


def test_claims_whose_job_is_gone_are_swept_at_the_second_look(bucket: Bucket) -> None:
    claims = ObjectClaims(bucket, nobody, dead=0.0)
    claim = claims.hold("key")
    claim.write(Claimed("job_1", "abc"))
    claim.release()
    claims.sweep(nobody)
    assert claims.read("key") == Claimed("job_1", "abc")
    claims.sweep(nobody)
    assert list(bucket.list("claims/")) == []


@pytest.mark.parametrize("has_tried_to_write", [True, False])
def test_who_was_taken_for_dead_takes_nothing_from_who_came_after(bucket: Bucket, has_tried_to_write: bool) -> None:
    silent = ObjectClaims(bucket, nobody).hold("key")
    others = ObjectClaims(bucket, nobody, dead=0.0)
    with pytest.raises(ClaimBusy):
        others.hold("key")
    claim = others.hold("key")
    claim.write(Claimed("job_2", "abc"))
    if has_tried_to_write:
        with pytest.raises(ClaimBusy):
            silent.write(Claimed("job_1", "abc"))
    silent.clear()
    silent.release()
    assert others.read("key") == Claimed("job_2", "abc"), "or the next request with this key would be a second job"
    claim.release()


def test_of_claims_that_others_swept_nothing_is_remembered(bucket: Bucket) -> None:
    claims, others = (ObjectClaims(bucket, nobody, dead=0.0) for _ in range(2))
    claim = claims.hold("key")
    claim.write(Claimed("job_1", "abc"))
    claim.release()
    claims.sweep(nobody)
    assert len(claims._still) == 1
    for _ in range(2):
        others.sweep(nobody)
    claims.sweep(nobody)
    assert (claims._still, others._still) == ({}, {})
