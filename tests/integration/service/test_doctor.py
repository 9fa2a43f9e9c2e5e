"""`whisper-native.py doctor` against real servers: all is well, or what is taken away is named."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from scripts.doctor import queues
from scripts.redis_server.program import find_server
from tests.integration.running_worker import DEADLINE, answers, wait_for

ROOT = Path(__file__).parents[3]
SAFE = ("--appendonly", "yes", "--maxmemory-policy", "noeviction")

StartRedis = Callable[..., int]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[StartRedis]:
    """Starts a Redis on a loopback port with these options; gives the port."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str, password: str | None = None) -> int:
        port = free_port()
        command = [str(find_server()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), *options]
        command += ["--requirepass", password] if password else []
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        with Redis(port=port, password=password) as client:
            wait_for(lambda: answers(client))
        return port

    yield start
    for process in started:
        process.kill()
        process.wait(DEADLINE)


def doctor(tmp_path: Path, **settings: str) -> tuple[int, str]:
    """Exit code and report of the command, for a service with these settings."""
    env = {name: value for name, value in os.environ.items() if "WHISPER_" not in name}
    env |= {"WHISPER_DATA_DIR": str(tmp_path / "data"), "WHISPER_LOG_DIR": str(tmp_path / "logs")}
    env |= {"NATIVE_WHISPER_HOST": "127.0.0.1", "NATIVE_WHISPER_PORT": "0", "HF_HUB_CACHE": str(tmp_path / "hub")}
    code = "import sys; from scripts.doctor.report import report; sys.exit(report())"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def failures(report: str) -> set[str]:
    return {line.split()[1] for line in report.splitlines() if line.startswith("FAILURE")}


def test_a_machine_with_everything_passes(tmp_path: Path) -> None:
    code, report = doctor(tmp_path)
    assert (code, failures(report)) == (0, set()), report
    names = [line.split()[1] for line in report.splitlines() if line.startswith(("OK", "warning"))]
    for name in ("python", "platform", "libraries", "engine", "gpu", "model", "redis", "port", "disk", "service"):
        assert name in names


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, report = doctor(
            tmp_path,
            NATIVE_WHISPER_PORT=str(taken.getsockname()[1]),
            WHISPER_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
            WHISPER_MODEL=str(tmp_path / "no-model"),
            WHISPER_MIN_FREE_DISK_MB=str(2**40),
        )
    assert code == 1
    assert failures(report) == {"redis", "model", "port", "disk"}, report


def test_a_private_and_durable_redis_passes(start_redis: StartRedis) -> None:
    found = queues.queues(f"redis://127.0.0.1:{start_redis(*SAFE)}/0", None)
    assert {finding.state for finding in found} == {"OK"}, found


def test_a_redis_that_lets_strangers_in_is_a_failure(start_redis: StartRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address stands for one that others reach: nothing here listens to the network."""
    monkeypatch.setattr(queues, "own_addresses", lambda: ["127.0.0.1"])
    port = start_redis(*SAFE)
    assert "lets anybody in" in queues.queues(f"redis://127.0.0.1:{port}/0", None)[-1].detail
    port = start_redis(*SAFE, password="sesame")
    assert queues.queues(f"redis://:sesame@127.0.0.1:{port}/0", None)[-1].state == "OK"


def test_a_wrong_password_is_told_from_a_redis_that_is_away(start_redis: StartRedis) -> None:
    port = start_redis(*SAFE, password="sesame")
    (found,) = queues.queues(f"redis://:wrong@127.0.0.1:{port}/0", None)
    assert (found.state, "refuses the password" in found.detail) == ("FAILURE", True)


def test_a_redis_that_forgets_is_a_warning(start_redis: StartRedis) -> None:
    port = start_redis("--maxmemory-policy", "allkeys-lru", "--appendonly", "no")
    states = [finding.state for finding in queues.queues(f"redis://127.0.0.1:{port}/0", None)]
    assert states.count("warning") == 2
