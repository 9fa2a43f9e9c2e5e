"""What a worker's end says of the jobs it had in hand, and where they go."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from fakeredis import FakeRedis, FakeServer

from tests.unit.factories import make_request
from worker.queue.dead_workers import DeadWorkers, count_oom_kills
from worker.queue.gate import Gate
from worker.queue.job_queue import JobQueue
from worker.queue.slot import Slot
from worker.runtime.exit_codes import ASKED_TWICE, HUNG, IDLE
from worker.store.job_store import LocalStore


@dataclass
class Bench:
    """A worker, this process, that holds jobs in the middle of their first attempt."""

    store: LocalStore
    server: FakeServer
    oom_kills: int = 0

    def hold(self) -> str:
        """A job that the worker has in hand."""
        upload = self.store.receive()
        upload.write(b"RIFF")
        request = make_request(upload.id)
        upload.commit(request)
        redis = FakeRedis(server=self.server)
        JobQueue(redis).enqueue(request)
        slot = Slot("batch", redis, SimpleNamespace(running=None), Gate())
        job = slot.take()
        assert job
        assert slot._begin(job)
        self.store.begin_attempt(request.id).close()
        return upload.id

    def bury(self, code: int, *, oom_kills: int = 0) -> None:
        dead_workers = DeadWorkers("redis://", self.store, lambda: self.oom_kills)
        self.oom_kills += oom_kills
        dead_workers.bury(os.getpid(), code)

    def is_charged(self, job_id: str) -> bool:
        return self.store.attempts(job_id)[-1].is_noted

    @property
    def waiting(self) -> list[str]:
        return JobQueue(FakeRedis(server=self.server)).waiting_ids("batch")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    server = FakeServer()
    monkeypatch.setattr("worker.queue.dead_workers.connect_briefly", lambda url: FakeRedis(server=server))
    return Bench(LocalStore(tmp_path), server)


@pytest.mark.fault(112)
@pytest.mark.parametrize("code", [-signal.SIGKILL, -signal.SIGSEGV, -signal.SIGABRT, HUNG, 1, 3])
def test_a_worker_that_died_of_its_own_is_noted_in_what_it_had_in_hand(bench: Bench, code: int) -> None:
    jobs = {bench.hold(), bench.hold()}
    bench.bury(code)
    assert all(map(bench.is_charged, jobs))
    assert set(bench.waiting) == jobs


@pytest.mark.fault(112)
@pytest.mark.parametrize("code", [0, IDLE, ASKED_TWICE, -signal.SIGTERM, -signal.SIGINT])
def test_a_worker_that_was_asked_to_end_is_not(bench: Bench, code: int) -> None:
    job_id = bench.hold()
    bench.bury(code)
    assert not bench.is_charged(job_id)
    assert bench.waiting == [job_id]


@pytest.mark.fault(114)
def test_want_of_memory_is_charged_to_a_job_that_was_alone_and_to_no_other(bench: Bench) -> None:
    jobs = [bench.hold(), bench.hold()]
    bench.bury(-signal.SIGKILL, oom_kills=1)
    assert not any(map(bench.is_charged, jobs))
    assert set(bench.waiting) == set(jobs)
    FakeRedis(server=bench.server).flushall()
    alone = bench.hold()
    bench.bury(-signal.SIGKILL, oom_kills=1)
    assert bench.is_charged(alone)


@pytest.mark.fault(114)
def test_another_end_while_the_kernel_ended_somebody_else_is_charged(bench: Bench) -> None:
    jobs = [bench.hold(), bench.hold()]
    bench.bury(-signal.SIGSEGV, oom_kills=1)
    assert all(map(bench.is_charged, jobs))


def test_without_redis_nothing_is_noted_and_nothing_raised(bench: Bench) -> None:
    job_id = bench.hold()
    bench.server.connected = False
    bench.bury(-signal.SIGKILL)
    bench.server.connected = True
    assert not bench.is_charged(job_id)


def test_a_disk_that_takes_no_note_keeps_no_job_from_going_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = bench.hold()

    def full(_: str) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(bench.store, "note_crash", full)
    bench.bury(-signal.SIGKILL)
    assert bench.waiting == [job_id]


def test_the_kernels_count_is_read_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("nr_free_pages 12\noom_kill 3\nzone 1\n")
    (tmp_path / "memory.events").write_text("low 0\noom 9\noom_kill 2\noom_group_kill 0\n")
    (tmp_path / "empty").write_text("")
    counters = [str(tmp_path / name) for name in ("vmstat", "memory.events", "empty", "missing")]
    assert count_oom_kills(counters) == 5
    assert count_oom_kills() >= 0
