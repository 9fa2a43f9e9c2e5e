"""The queues of jobs that not every worker can do, by name."""

from __future__ import annotations

import pytest
from fakeredis import FakeRedis

from worker.fleet.needs import Need, kind_of, list_queue, need_of, needs_met, special_queues


@pytest.mark.parametrize("engine", ["", "mlx-whisper"])
@pytest.mark.parametrize("model", ["large-v3", "org/Name", "/a dir/x:y@z", "*", "intermediate", "ä%3A"])
def test_the_name_of_a_queue_says_what_it_needs(model: str, engine: str) -> None:
    need = Need(model, engine)
    queue = need.queue("batch")
    assert (kind_of(queue), need_of(queue)) == ("batch", need)
    assert not queue.endswith(":intermediate"), "that is RQ's own list of the queue batch"


def test_common_queues_need_nothing() -> None:
    assert [need_of(name) for name in ("batch", "alone")] == [None, None]


def test_a_worker_finds_the_queues_that_are_for_it() -> None:
    redis = FakeRedis()
    for queue in ("batch", "batch:large-v3", "interactive:base", "batch:base@mlx-whisper", "batch:base@fake"):
        list_queue(redis, queue)
    assert len(special_queues(redis)) == 4
    assert needs_met(redis, ["base", "*"], "fake") == {Need("base"), Need("base", "fake")}
