"""Of what is owed a store that is far away is asked little, and nothing that another machine does is missed."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import MemoryStore

from tests.unit.factories import make_request
from worker.store.objects.bucket import Bucket
from worker.store.objects.object_store import ObjectStore
from worker.store.records import JOB, Outcome, Webhook, new_job_id
from worker.webhooks.outbox import Attempt, Outbox
from worker.webhooks.pending_deliveries import PendingDeliveries

ENDED_AT = 1_800_000_000.0
DELIVERED = Attempt(ENDED_AT, 0.1, 200, None, "delivered")


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def store(memory: MemoryStore, tmp_path: Path) -> ObjectStore:
    return ObjectStore(Bucket(memory), tmp_path / "sender")


def add(store: ObjectStore, state: str | None = "finished", *attempts: Attempt) -> str:
    request = make_request(new_job_id(), webhook=Webhook("https://example.com/hook"))
    store.bucket.put(f"jobs/{request.id}/job.json", JOB.dump(request))
    if state is not None:
        store.finish(request.id, Outcome(state, ended_at=ENDED_AT))  # type: ignore[arg-type]  # a state
    for attempt in attempts:
        Outbox(store).record(request.id, attempt)
    return request.id


def cost_of_a_list(store: ObjectStore) -> int:
    before = store.bucket.calls
    assert len(list(store.catalog.not_ended())) < 10
    return store.bucket.calls - before


def test_jobs_that_owe_nothing_cost_the_list_alone(store: ObjectStore) -> None:
    for _ in range(5):
        add(store, "finished", DELIVERED)
        add(store, None)
    pending = PendingDeliveries(store, Outbox(store))
    assert pending.owed() == {}
    before = store.bucket.calls
    assert pending.owed() == {}
    assert store.bucket.calls - before == cost_of_a_list(store)


def test_what_another_machine_does_is_seen_without_a_word_from_it(
    store: ObjectStore, memory: MemoryStore, tmp_path: Path
) -> None:
    """Redis may have been away as it was done."""
    other = ObjectStore(Bucket(memory), tmp_path / "api")
    again, ended_anew, open_one = (add(store, state, DELIVERED) for state in ("finished", "failed", None))
    pending = PendingDeliveries(store, Outbox(store))
    assert pending.owed() == {}
    Outbox(other, now=lambda: ENDED_AT + 7).again(again)
    other.reopen(ended_anew)
    Outbox(other, now=lambda: ENDED_AT + 8).again(ended_anew, is_new_end=True)
    assert pending.owed() == {again: ENDED_AT + 7}
    other.finish(ended_anew, Outcome("finished", ended_at=ENDED_AT + 9))
    assert pending.owed() == {again: ENDED_AT + 7, ended_anew: ENDED_AT + 8}
    for job_id in (again, ended_anew):
        Outbox(other).record(job_id, Attempt(ENDED_AT + 10, 0.1, 200, None, "delivered"))
    assert pending.owed() == {}
    other.finish(open_one, Outcome("finished", ended_at=ENDED_AT))
    before = store.bucket.calls
    assert pending.owed() == {}, "it was delivered meanwhile"
    assert store.bucket.calls > before
