"""The service's own Redis, run for real: durable, private, one at a time."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from scripts.service.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

DEADLINE = 60.0  # seconds

Start = Callable[[EmbeddedRedis], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Runs what the supervisor would run and waits until it is ready."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(redis: EmbeddedRedis) -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen(redis.child().argv))
        deadline = time.monotonic() + DEADLINE
        while not redis.answers():
            assert processes[-1].poll() is None, redis.log_file.read_text()
            assert time.monotonic() < deadline, redis.log_file.read_text()
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()


def plan(data_dir: Path, **more: bool) -> EmbeddedRedis:
    return EmbeddedRedis.plan(data_dir, data_dir / "logs", **more)


@pytest.fixture(params=["socket", "loopback"])
def redis(request: pytest.FixtureRequest, tmp_path: Path) -> EmbeddedRedis:
    return plan(tmp_path, unix_sockets=request.param == "socket")


def put(redis: EmbeddedRedis, key: str, value: str) -> None:
    with Redis.from_url(redis.url) as client:
        client.set(key, value)


def get(redis: EmbeddedRedis, key: str) -> object:
    with Redis.from_url(redis.url, decode_responses=True) as client:
        return client.get(key)


def test_what_was_written_is_there_after_a_kill(redis: EmbeddedRedis, start: Start) -> None:
    process = start(redis)
    put(redis, "job", "42")
    process.kill()
    process.wait()
    start(redis)
    assert get(redis, "job") == "42"


def test_what_was_written_is_there_after_an_orderly_stop(redis: EmbeddedRedis, start: Start) -> None:
    process = start(redis)
    put(redis, "job", "42")
    redis.shut_down()
    assert process.wait(DEADLINE) == 0
    start(redis)
    assert get(redis, "job") == "42"


def test_a_file_torn_off_by_a_power_cut_is_read_as_far_as_it_goes(tmp_path: Path, start: Start) -> None:
    redis = plan(tmp_path)
    process = start(redis)
    put(redis, "first", "1")
    put(redis, "second", "2")
    process.kill()
    process.wait()
    (journal,) = tmp_path.rglob("*.incr.aof")
    os.truncate(journal, journal.stat().st_size - 3)
    start(redis)
    assert (get(redis, "first"), get(redis, "second")) == ("1", None)


def test_an_orphan_is_ended_before_another_takes_its_files(redis: EmbeddedRedis, start: Start) -> None:
    orphan = start(redis)
    put(redis, "job", "42")
    heir = plan(redis.directory.parent, unix_sockets=redis.socket is not None)
    start(heir)
    assert orphan.wait(DEADLINE) == 0
    assert get(heir, "job") == "42"


def test_a_socket_left_by_a_killed_server_is_no_obstacle(tmp_path: Path, start: Start) -> None:
    redis = plan(tmp_path)
    process = start(redis)
    process.kill()
    process.wait()
    assert redis.socket is not None
    assert redis.socket.exists()
    start(plan(tmp_path))


def test_nobody_but_the_owner_can_open_the_socket(tmp_path: Path, start: Start) -> None:
    redis = plan(tmp_path)
    process = start(redis)
    assert redis.socket is not None
    assert stat.S_IMODE(redis.socket.stat().st_mode) == 0o700
    assert not psutil.Process(process.pid).net_connections("inet"), "it listens on the network"


def test_the_loopback_port_wants_the_password(tmp_path: Path, start: Start) -> None:
    redis = plan(tmp_path, unix_sockets=False)
    process = start(redis)
    with Redis(port=redis.port, retry=Retry(NoBackoff(), 0)) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()
    listening = {each.laddr.ip for each in psutil.Process(process.pid).net_connections("inet")}
    assert listening == {"127.0.0.1"}


def test_it_does_not_answer_while_it_hangs(tmp_path: Path, start: Start) -> None:
    redis = plan(tmp_path)
    process = start(redis)
    process.send_signal(signal.SIGSTOP)
    assert not redis.answers()
    process.send_signal(signal.SIGCONT)


def test_its_log_lies_with_the_other_logs(tmp_path: Path, start: Start) -> None:
    redis = plan(tmp_path)
    start(redis)
    assert redis.log_file == tmp_path / "logs" / "redis.log"
    assert "Ready to accept connections" in redis.log_file.read_text()
