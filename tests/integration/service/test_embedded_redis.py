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

from scripts.redis_server.program import RedisUnavailable
from scripts.service.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

DEADLINE = 60.0  # seconds

Start = Callable[[EmbeddedRedis], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Runs what the supervisor would run and waits until it is ready."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(redis: EmbeddedRedis) -> subprocess.Popen[bytes]:
        spec = redis.child()
        processes.append(subprocess.Popen(spec.argv))
        deadline = time.monotonic() + DEADLINE
        while not spec.ready():
            if (code := processes[-1].poll()) is not None:
                assert len(processes) < 5, redis.log_file.read_text()
                assert spec.failed is not None
                spec.failed(code)
                processes.append(subprocess.Popen(spec.argv))
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


def test_its_directory_of_sockets_goes_with_the_service(tmp_path: Path, start: Start) -> None:
    redis = plan(tmp_path / "a path with spaces")
    assert redis.socket is not None
    assert redis.socket.parent != redis.directory
    process = start(redis)
    assert redis.socket.exists()
    redis.shut_down()
    process.wait(DEADLINE)
    redis.tidy_up()
    assert not redis.socket.parent.exists()
    assert redis.directory.exists()
    redis.tidy_up()


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


def rewritten(redis: EmbeddedRedis, start: Start) -> None:
    """Leaves a base file, an increment and a manifest of a server that was killed."""
    process = start(redis)
    with Redis.from_url(redis.url) as client:
        client.mset({f"job {number}": "x" * 100 for number in range(100)})
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"] or len(list(redis.directory.rglob("*.1.base.*"))):
            time.sleep(0.02)
        client.mset({f"job {number}": "y" * 100 for number in range(100)})
    process.kill()
    process.wait()


def zeros(content: bytes) -> bytes:
    return bytes(len(content))


def zeros_in_the_middle(content: bytes) -> bytes:
    half = len(content) // 2
    return content[:half] + bytes(64) + content[half + 64 :]


def garbage(content: bytes) -> bytes:
    return os.urandom(len(content))


def nothing(content: bytes) -> bytes:
    return b""


@pytest.mark.fault(91)
@pytest.mark.parametrize("torn", [zeros, zeros_in_the_middle, garbage, nothing])
@pytest.mark.parametrize("file", ["*.base.rdb", "*.incr.aof", "*.manifest"])
def test_it_starts_whatever_its_files_hold(
    file: str, torn: Callable[[bytes], bytes], tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    redis = plan(tmp_path)
    rewritten(redis, start)
    (path,) = redis.directory.rglob(file)
    path.write_bytes(torn(path.read_bytes()))
    start(redis)
    put(redis, "job", "42")
    aside = list(redis.directory.glob("unreadable-*/appendonlydir"))
    if aside:
        assert list(aside[0].rglob("*.manifest")), "what was there is kept"
        (said,) = (record.getMessage() for record in caplog.records if "set aside" in record.getMessage())
        assert str(aside[0].parent) in said
    else:  # it could read it as far as it went
        assert (file, torn) in [("*.incr.aof", nothing), ("*.base.rdb", nothing)]


@pytest.mark.fault(91)
@pytest.mark.parametrize("note", [b"", bytes(40), b"\xff\xfe\x00garbage", b"unix://", b"http://a:b"])
def test_a_damaged_note_of_where_it_listened_is_no_obstacle(note: bytes, tmp_path: Path, start: Start) -> None:
    redis = plan(tmp_path)
    (redis.directory / "redis.url").write_bytes(note)
    start(redis)
    put(redis, "job", "42")


@pytest.mark.fault(91)
def test_files_that_cannot_be_moved_end_no_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    redis = plan(tmp_path)
    (redis.directory / "dump.rdb").write_text("torn")

    def refuse(path: Path, target: Path) -> Path:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    failed = redis.child().failed
    assert failed is not None
    failed(1)
    assert "cannot be set aside" in caplog.text


def test_something_else_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "redis").write_text("")
    with pytest.raises(RedisUnavailable, match="Move what lies there"):
        plan(tmp_path)


@pytest.mark.fault(92)
def test_it_starts_on_what_another_version_wrote(tmp_path: Path, start: Start) -> None:
    """A file whose format is one version too new, with its checksum switched off, is what a newer Redis leaves."""
    redis = plan(tmp_path)
    rewritten(redis, start)
    (base,) = redis.directory.rglob("*.base.rdb")
    content = base.read_bytes()
    assert content.startswith(b"REDIS00")
    base.write_bytes(b"REDIS9999" + content[9:-8] + bytes(8))
    start(redis)
    put(redis, "job", "42")
    assert list(redis.directory.glob("unreadable-*"))


def test_a_server_that_is_killed_while_it_starts_keeps_its_files(tmp_path: Path, start: Start) -> None:
    redis = plan(tmp_path)
    process = start(redis)
    put(redis, "job", "42")
    process.kill()
    process.wait()
    spec = redis.child()
    assert spec.failed is not None
    for number in (signal.SIGKILL, signal.SIGTERM):
        spec.failed(-number)
    start(redis)
    assert get(redis, "job") == "42"


def test_only_the_newest_files_that_were_set_aside_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redis = plan(tmp_path)
    times = iter(1_700_000_000_999_999_998 + number for number in range(5))  # over the turn of a second
    monkeypatch.setattr(time, "time_ns", lambda: next(times))
    for number in range(5):
        (redis.directory / "dump.rdb").write_text(str(number))
        failed = redis.child().failed
        assert failed is not None
        failed(1)
    assert {path.read_text() for path in redis.directory.glob("unreadable-*/dump.rdb")} == {"2", "3", "4"}


@pytest.mark.fault(93)
@pytest.mark.parametrize("hangs", [False, True])
def test_a_copy_of_the_directory_leaves_the_original_alone(hangs: bool, tmp_path: Path, start: Start) -> None:
    original = plan(tmp_path / "original")
    process = start(original)
    put(original, "job", "42")
    subprocess.run(["cp", "-a", tmp_path / "original", tmp_path / "copy"], check=True)
    if hangs:
        process.send_signal(signal.SIGSTOP)
    copy = plan(tmp_path / "copy")
    start(copy)
    put(copy, "job", "43")
    process.send_signal(signal.SIGCONT)
    assert process.poll() is None
    assert get(original, "job") == "42"


@pytest.mark.fault(93)
def test_an_orphan_is_found_though_its_directory_was_moved(tmp_path: Path, start: Start) -> None:
    orphan = start(plan(tmp_path / "before"))
    put(plan(tmp_path / "before"), "job", "42")
    (tmp_path / "before").rename(tmp_path / "after")
    noted = tmp_path / "after" / "redis" / "redis.url"
    noted.write_text(noted.read_text().replace("before", "after"))
    heir = plan(tmp_path / "after")
    start(heir)
    assert orphan.wait(DEADLINE) == 0
    assert get(heir, "job") == "42"


@pytest.mark.skipif(not os.path.exists("/proc/self/cwd"), reason="the system does not say where a process works")
def test_an_orphan_that_hangs_is_killed(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.redis_server.orphan.RETIRE_TIMEOUT", 1.0)
    redis = plan(tmp_path)
    orphan = start(redis)
    put(redis, "job", "42")
    orphan.send_signal(signal.SIGSTOP)
    start(plan(tmp_path))
    assert orphan.wait(DEADLINE) == -signal.SIGKILL
    assert get(redis, "job") == "42"
