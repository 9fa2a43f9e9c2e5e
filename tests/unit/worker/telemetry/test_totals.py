"""What processes count is added up once, whatever becomes of them or of Redis."""

from __future__ import annotations

import pytest
from fakeredis import FakeRedis, FakeServer
from prometheus_client import CollectorRegistry, Counter, Histogram
from redis.exceptions import ConnectionError

from worker.telemetry.instruments import model_label
from worker.telemetry.totals import KEY, Totals, read_totals


class Counted:
    """One process, and what it counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.jobs = Counter("x_jobs_total", "Jobs", ("state",), registry=self.registry)
        self.seconds = Histogram("x_seconds", "Seconds", buckets=(1, 10), registry=self.registry)
        self.totals = Totals(self.registry)


def read(redis: FakeRedis) -> dict[str, float]:
    rows = [sample for metric in read_totals(redis, Counted().registry) for sample in metric.samples]
    return {" ".join([row.name, *row.labels.values()]): row.value for row in rows}


def test_what_two_processes_count_is_added_up_and_outlives_them() -> None:
    redis, one, other = FakeRedis(), Counted(), Counted()
    one.jobs.labels("failed").inc()
    other.jobs.labels("failed").inc(2)
    one.seconds.observe(5)
    for process in (one, other, one):
        process.totals.add_up(redis)
    del one, other
    expected = {"x_seconds_bucket 1.0": 0, "x_seconds_bucket 10.0": 1, "x_seconds_bucket +Inf": 1}
    found = read(redis)
    assert found["x_jobs_total failed"] == 3
    assert {name: found.get(name, 0) for name in expected} == expected
    assert (found["x_seconds_count"], found["x_seconds_sum"]) == (1, 5)


def test_nothing_is_lost_while_redis_is_away_and_nothing_is_written_while_nothing_happens() -> None:
    server, process = FakeServer(), Counted()
    redis = FakeRedis(server=server)
    process.jobs.labels("finished").inc()
    server.connected = False
    with pytest.raises(ConnectionError):
        process.totals.add_up(redis)
    server.connected = True
    process.totals.add_up(redis)
    assert read(redis)["x_jobs_total finished"] == 1
    redis.delete(KEY)
    process.totals.add_up(redis)
    assert not redis.exists(KEY)


def test_what_another_version_counts_is_left_out() -> None:
    redis = FakeRedis()
    redis.hset(KEY, '["whisper_of_later_total", {}]', "4")
    assert read(redis) == {}


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("large-v3", "large-v3"),
        ("Systran/faster-whisper-base", "Systran/faster-whisper-base"),
        ("/srv/models/mine", "local"),
        ("./mine", "local"),
        ("C:\\models\\mine", "local"),
        ("a/b/c", "local"),
    ],
)
def test_a_path_is_no_label(model: str, label: str) -> None:
    assert model_label(model) == label
