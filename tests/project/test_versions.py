"""Whatever one version writes and another reads may have more in it than that one knows: rows of Redis, notes, lines.

Records with a format are in tests/unit/worker/store/test_records.py, and checkpoints in that of their module.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakeredis import FakeRedis

from api.state import AppState
from api.streaming.job_event_stream import Cursor, _Reader
from scripts.redis_server.orphan import NOTE, _noted
from scripts.service.pid_file import PidFile, Running
from tests.unit.factories import make_request, make_segment, with_unknown_fields
from worker.queue import heartbeat
from worker.queue.events import FEED, Events, FeedReader
from worker.queue.gate import Gate
from worker.queue.heartbeat import WorkerHeartbeat
from worker.queue.job_queue import JobQueue
from worker.queue.queued_job import describe
from worker.queue.slot import Slot
from worker.queue.worker_record import WorkerRecord
from worker.store.idempotency import Claimed
from worker.store.job_store import LocalStore
from worker.store.records import JobError, JobRequest, Outcome, Retry
from worker.webhooks.delivery_queue import DeliveryQueue
from worker.webhooks.outbox import Attempt, Outbox, _lines

pytestmark = pytest.mark.fault(115)

MORE: dict[Any, Any] = {"of_later": "a text"}


@dataclass
class Shared:
    """A store and a Redis that two versions use, and a job in both."""

    root: Path

    def __post_init__(self) -> None:
        self.store = LocalStore(self.root)
        self.redis = FakeRedis()
        self.events = Events(self.redis)
        self.queue = JobQueue(self.redis)
        upload = self.store.receive()
        upload.write(b"RIFF")
        self.job: JobRequest = make_request(upload.id)
        upload.commit(self.job)
        self.id = upload.id

    @property
    def directory(self) -> Path:
        return self.store.source(self.id).parent

    def add_to_json(self, *paths: Path) -> None:
        """Fields of a later version, in each line."""
        for path in paths:
            lines = [json.dumps(with_unknown_fields(json.loads(line))) for line in path.read_text().split("\n") if line]
            path.write_text("\n".join(lines) + "\n")

    def add_to_hashes(self, pattern: str) -> None:
        keys: list[Any] = list(self.redis.scan_iter(pattern, _type="hash"))
        assert keys, "the test looks in the wrong place"
        for key in keys:
            self.redis.hset(key, mapping=MORE)


def status_of_a_job(shared: Shared) -> None:
    shared.events.window(shared.id, 1.0, 2.0, [make_segment()])
    shared.add_to_hashes("whisper:status:*")
    assert shared.events.status(shared.id) == {"processed": 1.0, "total": 2.0, "segments": 1.0}


def events_of_a_job(shared: Shared) -> None:
    key = f"whisper:events:{shared.id}"
    shared.redis.xadd(key, {"event": "state", "data": json.dumps({"state": "started", **MORE}), **MORE})
    for _ in range(150):  # more than are read at a time
        shared.redis.xadd(key, {"event": "speaker", "data": "{}", **MORE})
    shared.redis.xadd(key, {b"of_later": b"\xff"})
    shared.events.window(shared.id, 1.0, 2.0, [make_segment()])
    service: AppState = SimpleNamespace(events=shared.events, store=shared.store)  # type: ignore[assignment]  # all it asks
    reader = _Reader(service, shared.job, Cursor())
    assert [[event.name for event in reader.read()] for _ in range(3)] == [["state"], ["segment", "progress"], []]


def the_feed(shared: Shared) -> None:
    told: list[tuple[str, str]] = []
    reader = FeedReader(shared.redis, lambda job_id, state: told.append((job_id, state)), lambda: None)
    shared.redis.xadd(FEED, MORE)
    shared.redis.xadd(FEED, {"job": shared.id, "state": "paused", **MORE})
    shared.redis.xadd(FEED, {"job": shared.id, "state": "finished", **MORE})
    reader._follow(b"0-0")
    assert told == [(shared.id, "paused"), (shared.id, "finished")]


def the_heartbeat_of_a_worker(shared: Shared) -> None:
    heartbeat.announce(shared.redis, WorkerHeartbeat("w", "ready", "base", pid=7))
    shared.add_to_hashes("whisper:worker:*")
    assert [worker.pid for worker in heartbeat.workers(shared.redis)] == [7]


def what_rq_keeps_of_jobs_runs_and_workers(shared: Shared) -> None:
    shared.queue.enqueue(shared.job)
    describe(shared.redis, shared.id, {"of_later": [1]})
    shared.add_to_hashes("rq:job:*")
    work = SimpleNamespace(running=None)
    slot = Slot("batch", shared.redis, work, Gate())
    job = slot.take()
    assert job is not None
    assert job.is_ours
    assert slot._begin(job) is not None
    shared.add_to_hashes("rq:*")
    slot.beat()
    assert shared.queue.leases.held_by(lambda name: name == slot._worker.name) == [shared.id]
    assert isinstance(slot._worker, WorkerRecord)
    describe(shared.redis, shared.id, {"attempts": 2})
    meta: Any = shared.redis.hget(f"rq:job:{shared.id}", "meta")
    assert json.loads(meta) | {"of_later": [1], "attempts": 2} == json.loads(meta)


def due_webhooks(shared: Shared) -> None:
    queue = DeliveryQueue(shared.redis)
    queue.put(f"{shared.id}:of_later", 1.0)
    queue.put(shared.id, 2.0)
    assert shared.id in queue.due(3.0, 10)


def records_of_a_job(shared: Shared) -> None:
    shared.store.finish(shared.id, Outcome("failed", error=JobError("server_error", "…")))
    shared.store.put_aside(shared.id, Retry(JobError("server_error", "…"), 2, 1.5, 5.0))
    before = shared.store.outcome(shared.id), shared.store.retry(shared.id)
    names = ("job.json", "outcome.json", "retry.json")
    shared.add_to_json(*(shared.directory / name for name in names))
    assert shared.store.request(shared.id) == shared.job
    assert (shared.store.outcome(shared.id), shared.store.retry(shared.id)) == before


def lines_of_deliveries(shared: Shared) -> None:
    attempt = Attempt(1.5, 0.25, None, "No answer.", "pending", 2.5)
    outbox = Outbox(shared.store)
    outbox.record(shared.id, attempt)
    shared.add_to_json(shared.directory / "deliveries.jsonl")
    outbox.record(shared.id, attempt)
    lines = shared.store.deliveries(shared.id).split(b"\n")
    assert sum(b"of_later" in line for line in lines) == 1
    assert list(_lines(shared.store.deliveries(shared.id))) == [attempt, attempt]


def files_beside_a_jobs_own(shared: Shared) -> None:
    log = shared.store.begin_attempt(shared.id)
    log.close()
    for name in ("checkpoint.1.of_later", "checkpoint.of_later.jsonl", "of_later.json"):
        (shared.directory / name).write_text("{}")
    assert [attempt.number for attempt in shared.store.attempts(shared.id)] == [log.number]
    shared.store.drop_checkpoints(shared.id)
    assert not list(shared.directory.glob("checkpoint.*"))


def the_claim_of_an_idempotency_key(shared: Shared) -> None:
    claimed = Claimed(shared.id, "abc")
    claim = shared.store.claims.hold("k")
    claim.write(claimed)
    claim.release()
    shared.add_to_json(*(shared.root / "claims").iterdir())
    assert shared.store.claims.read("k") == claimed


def the_pid_file(shared: Shared) -> None:
    running = Running(7, 1.5, "http://127.0.0.1:9001", None, "redis://", {})
    file = PidFile(shared.root / "pid")
    file.hold()
    file.write(running)
    pid, record, _ = (shared.root / "pid").read_text().split("\n")
    (shared.root / "pid").write_text(f"{pid}\n{json.dumps(json.loads(record) | MORE)}\nof later\n")
    assert file.leftover() == running
    file.release()


def the_note_of_where_redis_listens(shared: Shared) -> None:
    (shared.root / NOTE).write_text("unix:///run/redis.sock\nof_later: 7\n")
    assert _noted(shared.root) == "unix:///run/redis.sock"


CASES: list[Callable[[Shared], None]] = [
    status_of_a_job,
    events_of_a_job,
    the_feed,
    the_heartbeat_of_a_worker,
    what_rq_keeps_of_jobs_runs_and_workers,
    due_webhooks,
    records_of_a_job,
    lines_of_deliveries,
    files_beside_a_jobs_own,
    the_claim_of_an_idempotency_key,
    the_pid_file,
    the_note_of_where_redis_listens,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.__name__))
def test_what_a_later_version_adds_is_ignored(case: Callable[[Shared], None], tmp_path: Path) -> None:
    case(Shared(tmp_path))
