"""One request at a time holds a key; what it says is read by everyone, and goes with its job."""

from __future__ import annotations

import threading

import pytest

from tests.unit.worker.store.contract.conftest import Open
from tests.unit.worker.store.contract.test_jobs import add
from worker.store.idempotency import ClaimBusy, Claimed
from worker.store.job_store import JobStore

PATIENCE = 30.0  # seconds


def test_what_was_written_is_read_by_everyone(store: JobStore, open_again: Open) -> None:
    first, second = Claimed(add(store).id, "abc"), Claimed(add(store).id, "a")
    claim = store.claims.hold("key", "anna", "1")
    assert claim.read() is None
    claim.write(first)
    assert open_again().claims.read("key", "anna", "1") == first  # while it is held
    claim.release()
    again = open_again().claims.hold("key", "anna", "1")
    assert again.read() == first
    again.write(second)  # shorter than what stood there
    again.release()
    assert store.claims.read("key", "anna", "1") == second
    open_again().claims.hold("key", "anna", "1").release()
    assert store.claims.read("key", "anna", "1") == second


def test_keys_of_different_owners_and_kinds_have_nothing_to_do_with_each_other(store: JobStore) -> None:
    held = [store.claims.hold(*key) for key in [("key", "a", "bc"), ("key", "ab", "c"), ("repeat", "a", "bc")]]
    held[0].write(Claimed("job_1", "abc"))
    assert store.claims.read("key", "ab", "c") is None
    for claim in held:
        claim.release()


def test_a_held_key_is_busy_until_it_is_released(store: JobStore, open_again: Open) -> None:
    claim, other = store.claims.hold("key"), open_again().claims
    with pytest.raises(ClaimBusy):
        other.hold("key")
    with pytest.raises(ClaimBusy):
        other.hold("key", patience=0.05)
    threading.Timer(0.05, claim.release).start()
    other.hold("key", patience=PATIENCE).release()


def test_a_key_nothing_was_written_for_is_forgotten(store: JobStore, open_again: Open) -> None:
    for clears in (False, True):
        claim = store.claims.hold("key")
        if clears:
            claim.write(Claimed("job_1", "abc"))
            claim.clear()
        claim.release()
        assert open_again().claims.read("key") is None
        open_again().claims.hold("key").release()


def test_of_many_at_once_one_holds_it(store: JobStore) -> None:
    inside, most = [0], [0]

    def work() -> None:
        claim = store.claims.hold("key", patience=PATIENCE)
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        inside[0] -= 1
        claim.release()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == ([1], [0])


def test_sweeping_leaves_what_counts_and_what_is_held(store: JobStore) -> None:
    job_id = add(store).id
    claim = store.claims.hold("there")
    claim.write(Claimed(job_id, "abc"))
    claim.release()
    held = store.claims.hold("held")
    for _ in range(2):
        store.claims.sweep(store.has)
    assert store.claims.read("there") == Claimed(job_id, "abc")
    with pytest.raises(ClaimBusy):
        store.claims.hold("held")
    held.release()
