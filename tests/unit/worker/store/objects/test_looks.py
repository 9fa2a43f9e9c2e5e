"""A look at a job is remembered for a moment, and for no longer if the machine slept meanwhile."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from obstore.store import MemoryStore

from worker.store.objects import looks as module
from worker.store.objects.bucket import Bucket, Entry
from worker.store.objects.looks import Looks
from worker.store.records import new_job_id


def test_what_others_did_is_seen_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: 100.0, time=lambda: 1_700_000_000.0)
    monkeypatch.setattr(module, "time", clock)
    bucket, job_id = Bucket(MemoryStore()), new_job_id()
    looks = Looks(bucket)
    assert not looks.look(job_id, 5.0).is_job
    bucket.put(f"jobs/{job_id}/job.json", b"{}")
    assert not looks.look(job_id, 5.0).is_job
    assert looks.look(job_id).is_job
    bucket.delete([f"jobs/{job_id}/job.json"])
    assert looks.look(job_id, 5.0).is_job
    clock.time = lambda: 1_700_000_000.0 + 3600.0  # it slept for an hour, and its other clock with it
    assert not looks.look(job_id, 5.0).is_job


def test_what_this_process_did_is_seen_at_once() -> None:
    bucket, job_id = Bucket(MemoryStore()), new_job_id()
    looks = Looks(bucket)
    began = time.monotonic()
    looks.look(job_id)
    looks.came(job_id, "job.json")
    assert looks.look(job_id, 3600.0).is_job
    assert looks.look(job_id, 3600.0).at >= began
    looks.went(job_id, ["job.json"])
    assert not looks.look(job_id, 3600.0).is_job


def test_what_this_process_did_while_it_looked_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket, job_id = Bucket(MemoryStore()), new_job_id()
    looks = Looks(bucket)

    def listed(folder: str) -> list[Entry]:
        found = list(Bucket.list(bucket, folder))
        bucket.put(f"{folder}job.json", b"{}")  # on another thread, just after
        looks.came(job_id, "job.json")
        return found

    looks.look(job_id)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(bucket, "list", listed)
        assert not looks.look(job_id).is_job
    assert looks.look(job_id, 3600.0).is_job
