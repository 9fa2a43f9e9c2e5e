"""No job stays in a queue from which nobody takes any more."""

from __future__ import annotations

from typing import Any

import pytest
from fakeredis import FakeRedis

from tests.unit.factories import make_request
from worker.fleet.needs import list_queue
from worker.maintenance.unmet_needs import UnmetNeeds
from worker.queue.heartbeat import WorkerHeartbeat, announce
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing
from worker.store.records import new_job_id
from worker.telemetry.vitals import Vitals, announce_vitals

TIMING = Timing(maintenance=1e-6)


class Bench:
    def __init__(self) -> None:
        self.redis = FakeRedis()
        self.queue = JobQueue(self.redis)
        self.needs = UnmetNeeds(self.redis, self.queue, TIMING)

    def add(self, queue: str | None = None) -> str:
        request = make_request(new_job_id())
        self.queue.enqueue(request)
        if queue:
            self.redis.lmove("rq:queue:batch", f"rq:queue:{queue}", "RIGHT", "RIGHT")
            list_queue(self.redis, queue)
        return request.id

    def present(self, model: str, engine: str = "", *, is_routed: bool = True) -> None:
        announce(self.redis, WorkerHeartbeat("mac", "ready", model, engine))
        announce_vitals(self.redis, "mac", Vitals(models=(model,), is_routed=is_routed))

    def in_common(self) -> list[str]:
        ids: Any = self.redis.lrange("rq:queue:batch", 0, -1)
        return [job_id.decode() for job_id in ids]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.fault(172)
def test_what_nobody_takes_goes_to_the_head_of_the_common_queue_in_its_order(bench: Bench) -> None:
    first, second, other = bench.add("batch:small"), bench.add("batch:small"), bench.add()
    bench.present("small", is_routed=False)  # an earlier version's, which looks in common queues alone
    bench.needs.open(0.0)
    bench.needs.open(TIMING.unmet - 1)
    assert bench.in_common() == [other], "its worker may be about to start again"
    bench.needs.open(TIMING.unmet)
    assert bench.in_common() == [first, second, other]


def test_a_worker_that_comes_back_finds_its_jobs(bench: Bench) -> None:
    bench.add("batch:small")
    bench.needs.open(0.0)
    bench.present("small")
    bench.needs.open(TIMING.unmet)
    bench.redis.delete("whisper:worker:mac")
    bench.needs.open(TIMING.unmet + 1)
    assert bench.in_common() == []


def test_a_job_waits_for_one_engine_for_a_minute(bench: Bench) -> None:
    old, young = bench.add("batch:base@mlx"), bench.add("batch:base@mlx")
    bench.present("base", "mlx")
    bench.needs.open(0.0)
    assert bench.in_common() == []
    bench.redis.set(f"whisper:engine:{old}", bench.queue.clock.now() - TIMING.same_engine)
    bench.needs.open(1.0)
    assert bench.in_common() == [old]
    assert bench.queue.live_ids() == {old, young}


def test_the_queues_of_another_program_on_this_redis_are_left_alone(bench: Bench) -> None:
    bench.redis.rpush("rq:queue:mails:urgent", "theirs")
    list_queue(bench.redis, "mails:urgent")
    for now in (0.0, TIMING.unmet):
        bench.needs.open(now)
    assert bench.redis.lrange("rq:queue:mails:urgent", 0, -1) == [b"theirs"]
