"""A job is queued where its turn is, as if all that waits had been read; a queue of thousands is not read for it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from fakeredis import FakeRedis, FakeServer
from redis import Redis
from rq import Queue

from tests.unit.factories import make_request
from worker.fleet.needs import list_queue
from worker.jobs import queue_ends, turns
from worker.jobs.shares import turn
from worker.jobs.turns import Turns
from worker.maintenance.unmet_needs import UnmetNeeds
from worker.queue.job_queue import JobQueue
from worker.queue.queued_job import put_back
from worker.runtime.timing import Timing
from worker.store.records import JobRequest, Priority, new_job_id

pytestmark = pytest.mark.fault(80)

BATCH, SPECIAL = "rq:queue:batch", "rq:queue:batch:base"


class Machine:
    """An API on one of several machines."""

    def __init__(self, server: FakeServer, owners: dict[str, str]) -> None:
        self.redis = FakeRedis(server=server)
        self.queue = JobQueue(self.redis)
        self.owners = owners
        self.asked = 0  # owners
        self.turns = Turns(self.queue, self._owners_of)

    def _owners_of(self, priority: Priority, ids: Sequence[str]) -> Mapping[str, str]:
        self.asked += len(ids)
        return {job_id: self.owners.get(job_id, "") for job_id in ids}

    def submit(self, owner: str) -> JobRequest:
        request = make_request(new_job_id(), owner=owner)
        self.owners[request.id] = owner
        self.turns.enqueue(request)
        return request

    def waiting(self) -> list[str]:
        """The next one first."""
        return [*queue_ends.read_ids(self.redis, SPECIAL), *queue_ends.read_ids(self.redis, BATCH)]


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def machine(server: FakeServer) -> Machine:
    return Machine(server, {})


def expected(machine: Machine, owner: str) -> int:
    return turn([machine.owners.get(job_id, "") for job_id in machine.waiting()], owner)


def placed(machine: Machine, owner: str) -> int:
    """Where the owner's next job is queued."""
    request = machine.submit(owner)
    return machine.waiting().index(request.id)


@pytest.mark.parametrize("seed", range(4))
def test_turns_are_as_if_all_had_been_read_whatever_becomes_of_the_queues(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """By two machines, while jobs are taken, put back, canceled, queued again, moved, and lose their records."""
    monkeypatch.setattr(queue_ends, "TAIL", 3)
    chance, owners = random.Random(seed), dict[str, str]()
    machines = [Machine(server, owners), Machine(server, owners)]
    redis, queue = machines[0].redis, machines[0].queue
    needs = UnmetNeeds(redis, queue, Timing())
    batch = Queue("batch", connection=redis)
    taken: list[str] = []

    def submit() -> None:
        machine, owner = chance.choice(machines), chance.choice("aaabbc")
        place = expected(machine, owner)
        assert placed(machine, owner) == place

    def take() -> None:
        if job_id := redis.lpop(BATCH):
            taken.append(job_id.decode())  # type: ignore[union-attr]  # of one

    def give_back() -> None:
        if taken:
            put_back(redis, batch, taken.pop(chance.randrange(len(taken))))

    def cancel() -> None:
        if waiting := machines[0].waiting():
            queue.withdraw(make_request(chance.choice(waiting)))

    def queue_again() -> None:
        if taken:
            queue.enqueue(make_request(taken.pop()))

    def move_to_who_can() -> None:
        if job_id := redis.lpop(BATCH):
            redis.rpush(SPECIAL, job_id)  # type: ignore[arg-type]  # one
            list_queue(redis, "batch:base")

    def nobody_serves_them() -> None:
        needs.open(0.0)
        needs.open(Timing().unmet)

    def lose_record() -> None:
        if waiting := machines[0].waiting():
            owners.pop(chance.choice(waiting), None)
            for machine in machines:
                machine.turns = Turns(machine.queue, machine._owners_of)

    rare = [give_back, cancel, queue_again, move_to_who_can, nobody_serves_them, lose_record]
    for _ in range(120):
        chance.choice([submit, submit, submit, submit, take, take, chance.choice(rare)])()
    waiting = machines[0].waiting()
    assert len(waiting) == len(set(waiting)) > 3


def test_a_long_queue_is_read_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []

    def read_ids(redis: Redis, key: str) -> list[str]:
        reads.append(key)
        return queue_ends.read_ids(redis, key)

    monkeypatch.setattr(turns, "read_ids", read_ids)
    for number in range(100):
        machine.submit("ab"[number % 2])
    machine.turns = Turns(machine.queue, machine._owners_of)  # as after a restart
    machine.asked = 0
    for owner in "abcabc":
        machine.submit(owner)
        machine.redis.lpop(BATCH)
        machine.queue.enqueue(make_request(new_job_id()))
    assert len(reads) == 1
    assert machine.asked == 100 + 5, "and of what came since, only the owners of that are asked for"


def test_a_queue_to_which_another_machine_added_in_the_middle_is_read_again(
    server: FakeServer, machine: Machine
) -> None:
    """Even if it is as long as before."""
    other = Machine(server, machine.owners)
    for _ in range(40):
        machine.submit("a")
    other.submit("b")
    other.queue.withdraw(make_request(machine.waiting()[20], owner="a"))
    place = expected(machine, "c")
    assert placed(machine, "c") == place == 2


def test_what_may_have_been_queued_is_read_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(40):
        machine.submit("a")
    insert = machine.queue.insert

    def cut_off(*given: Any) -> None:
        insert(*given)
        raise ConnectionError("the answer did not come")

    with monkeypatch.context() as patched:
        patched.setattr(machine.queue, "insert", cut_off)
        with pytest.raises(ConnectionError):
            machine.submit("b")
    assert [machine.owners[job_id] for job_id in machine.waiting()[:3]] == ["a", "b", "a"]
    place = expected(machine, "b")
    assert placed(machine, "b") == place == 3
