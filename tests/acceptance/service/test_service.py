"""The service as a user starts it: whisper-native.py, its background process, and what happens when things go wrong."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from redis import Redis

from scripts.service.embedded_redis import EmbeddedRedis
from worker.queue import heartbeat

ROOT = Path(__file__).parents[3]
DEADLINE = 120.0  # seconds
FAKE = {"WHISPER_ENGINE": "fake"}  # for tests of the processes alone: no weights to load

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Launcher:
    """One user with one checkout: runs the commands with data and logs in a place of its own."""

    directory: Path
    port: int = field(default_factory=free_port)
    env: dict[str, str] = field(default_factory=dict)
    start_output: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid_file(self) -> Path:
        return self.directory / "data" / "whisper-native.pid"

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text().splitlines()[0])

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "scripts" / "whisper-native.py"), *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if "WHISPER_" not in key}
        own = {
            "WHISPER_DATA_DIR": str(self.directory / "data"),
            "WHISPER_LOG_DIR": str(self.directory / "logs"),
            "NATIVE_WHISPER_HOST": "127.0.0.1",
            "NATIVE_WHISPER_PORT": str(self.port),
        }
        return {**inherited, **own, **self.env, **more}

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.directory,  # anywhere: the script finds its checkout
            env=self.environment(**env),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )

    def start(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        started = self.run("start", "--wait", str(DEADLINE), *arguments, **env)
        assert started.returncode == 0, started.stdout + started.stderr + self.log()
        return started

    def log(self) -> str:
        path = self.directory / "logs" / "whisper-native.log"
        return path.read_text() if path.exists() else ""

    def children(self) -> dict[str, psutil.Process]:
        """The service's processes by what they are."""
        found = {}
        for child in psutil.Process(self.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                words = child.cmdline() or [""]
                found[words[2] if words[1:2] == ["-m"] else child.name()] = child
        return found

    def workers(self) -> list[heartbeat.WorkerHeartbeat]:
        running = json.loads(self.pid_file.read_text().splitlines()[1])
        with Redis.from_url(running["redis_url"]) as redis:
            return heartbeat.workers(redis)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
                return bool(json.load(answer)["status"] == "ready")
        except OSError:
            return False

    def end(self) -> None:
        """Whatever the test left running."""
        self.run("stop")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """The service with its default model, started once for the tests that only look at it or that it survives."""
    launcher = Launcher(tmp_path_factory.mktemp("service"))
    try:
        launcher.start_output = launcher.start().stdout
        yield launcher
    finally:
        launcher.end()


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """For a service of the test's own."""
    launcher = Launcher(tmp_path, env=dict(FAKE))
    try:
        yield launcher
    finally:
        launcher.end()


class TestStarted:
    def test_start_ends_with_how_to_use_it(self, service: Launcher) -> None:
        text = service.start_output
        assert f"whisper-native is ready: {service.url}" in text
        assert re.search(rf"curl {service.url}/v1/audio/transcriptions .*-F file=@\S+ -F model=whisper-1", text)
        for part in (f"base_url={service.url}/v1", f"{service.url}/rq", "make whisper-native-stop"):
            assert part in text

    def test_it_serves_the_default_model(self, service: Launcher) -> None:
        with urllib.request.urlopen(f"{service.url}/health/ready", timeout=5) as answer:
            assert "base" in json.load(answer)["checks"]["worker"]["detail"]

    def test_it_outlives_the_terminal_it_was_started_in(self, service: Launcher) -> None:
        assert os.getsid(service.pid) == service.pid
        assert psutil.Process(service.pid).terminal() is None

    def test_status_says_who_where_and_how(self, service: Launcher) -> None:
        status = service.run("status")
        assert status.returncode == 0
        assert re.search(rf"running and ready: {service.url} \(pid {service.pid}, up \d+ ", status.stdout)
        for part in ("redis", "worker", "base", "whisper-native.log"):
            assert part in status.stdout

    def test_a_second_start_says_that_it_runs_already(self, service: Launcher) -> None:
        pid = service.pid
        second = service.run("start")
        assert second.returncode == 0
        assert f"already running: {service.url} (pid {pid})" in second.stdout
        assert service.pid == pid

    def test_a_second_run_in_the_foreground_is_refused(self, service: Launcher) -> None:
        second = service.run("run")
        assert second.returncode == 1
        assert "runs already" in second.stderr

    def test_another_one_on_the_same_port_hears_who_has_it(self, service: Launcher, tmp_path: Path) -> None:
        other = Launcher(tmp_path, port=service.port)
        refused = other.run("start")
        assert refused.returncode == 1
        assert f"Port {service.port} is taken by another whisper-native" in refused.stderr
        assert "NATIVE_WHISPER_PORT" in refused.stderr

    def test_logs_shows_the_end_of_the_log(self, service: Launcher) -> None:
        def are_shown() -> bool:
            before, shown = service.log(), service.run("logs", "-n", "3")
            assert shown.returncode == 0
            return shown.stdout.splitlines() in (before.splitlines()[-3:], service.log().splitlines()[-3:])

        wait_for(are_shown, "its last lines, unless it says more meanwhile")

    def test_logs_follows(self, service: Launcher) -> None:
        log = service.directory / "logs" / "whisper-native.log"
        reader = subprocess.Popen(
            service.command("logs", "-f", "-n", "1"), env=service.environment(), stdout=subprocess.PIPE, text=True
        )
        assert reader.stdout is not None
        try:
            reader.stdout.readline()
            with log.open("a") as file:
                file.write("something new happened\n")
            assert any("something new happened" in line for line in reader.stdout)
        finally:
            reader.terminate()
            reader.wait(DEADLINE)
            reader.stdout.close()

    def test_its_redis_listens_nowhere_but_on_its_socket(self, service: Launcher) -> None:
        redis = service.children()["redis-server"]
        assert redis.net_connections("inet") == []
        assert (service.directory / "logs" / "redis.log").exists()

    @pytest.mark.parametrize("name", ["worker", "redis-server", "api", "worker.webhooks"])
    def test_a_killed_process_is_replaced(self, service: Launcher, name: str) -> None:
        before = service.children()[name]
        before.kill()
        killed_at = time.monotonic()

        def replaced() -> bool:
            now = service.children().get(name)
            return now is not None and now.pid != before.pid

        wait_for(replaced, f"another {name}")
        if name == "worker":
            wait_for(lambda: before.pid not in {each.pid for each in service.workers()}, "the dead one's farewell")
            assert time.monotonic() - killed_at < 10  # it would expire after 15
        wait_for(service.is_ready, "ready again")
        label = name.partition("-")[0].rpartition(".")[2]
        assert re.search(rf"{label} \(pid {before.pid}\) was ended by SIGKILL", service.log())
        assert sorted(service.children()) == ["api", "redis-server", "worker", "worker.webhooks"]

    def test_stop_stops_everything(self, service: Launcher) -> None:
        supervisor, children = psutil.Process(service.pid), list(service.children().values())
        stopped = service.run("stop")
        assert stopped.returncode == 0
        assert f"whisper-native (pid {supervisor.pid}) was stopped" in stopped.stdout
        assert not [child for child in children if lives(child)]
        wait_for(lambda: not lives(supervisor), "the supervisor's end")
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", service.port)) != 0
        assert service.run("status").returncode == 3
        again = service.run("stop")
        assert (again.returncode, again.stdout) == (0, "whisper-native is not running.\n")


@pytest.mark.slow
def test_children_die_with_a_killed_supervisor_and_the_stale_pid_file_is_no_obstacle(launcher: Launcher) -> None:
    """Slow: two starts; tests/faults/crashes/test_crashes.py kills a supervisor, too."""
    launcher.start()
    pid, children = launcher.pid, list(launcher.children().values())
    assert len(children) == 4
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(lives(child) for child in children), "the children's end")
    status = launcher.run("status")
    assert status.returncode == 3
    assert "not running" in status.stdout
    started = launcher.start()
    assert f"An earlier run (pid {pid}) ended without cleaning up" in started.stdout
    assert launcher.pid != pid


@pytest.mark.slow
def test_a_pid_file_whose_number_belongs_to_another_program_harms_nobody(launcher: Launcher) -> None:
    """Slow: two starts; the pid file has its unit tests."""
    launcher.start()
    os.kill(launcher.pid, signal.SIGKILL)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        text = launcher.pid_file.read_text()
        launcher.pid_file.write_text(text.replace(text.splitlines()[0], str(bystander.pid)))
        assert launcher.run("status").returncode == 3
        assert "not running" in launcher.run("stop").stdout
        launcher.start()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_port_another_program_has_is_named_with_the_way_out(launcher: Launcher) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", launcher.port))
        other.listen()
        for command in ("start", "run"):
            refused = launcher.run(command)
            assert refused.returncode == 1
            assert f"Port {launcher.port} is taken by another program" in refused.stderr
    assert launcher.run("status").returncode == 3


def test_a_model_that_cannot_be_loaded_is_said_and_nothing_is_left_running(launcher: Launcher) -> None:
    failed = launcher.run("start", WHISPER_ENGINE="auto", WHISPER_MODEL="nonsense")
    assert failed.returncode == 1
    assert "The model nonsense could not be loaded" in failed.stderr
    assert launcher.run("status").returncode == 3


def test_a_crash_at_start_shows_the_end_of_the_log(launcher: Launcher) -> None:
    """Takes over 10 s: five tries to start, with growing waits between them."""
    broken = launcher.directory / "bin" / "redis-server"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'Illegal instruction, or so' >&2\nexit 132\n")
    broken.chmod(0o755)
    failed = launcher.run("start", PATH=f"{broken.parent}:{os.environ['PATH']}")
    assert failed.returncode == 1
    assert "Illegal instruction, or so" in failed.stderr
    assert "redis ended with exit code 132 5 times in a row" in failed.stderr
    assert launcher.run("status").returncode == 3


def test_settings_that_are_wrong_are_all_named(launcher: Launcher) -> None:
    for command in ("start", "run", "status"):
        refused = launcher.run(command, NATIVE_WHISPER_PORT="http", WHISPER_API_KEYS="sk-secret")
        assert refused.returncode == 2
        assert "NATIVE_WHISPER_PORT" in refused.stderr
        assert "WHISPER_API_KEYS" in refused.stderr
        assert "sk-secret" not in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_data_directory_that_cannot_be_is_named(launcher: Launcher) -> None:
    (launcher.directory / "data").touch()
    refused = launcher.run("start")
    assert refused.returncode == 2
    assert "WHISPER_DATA_DIR" in refused.stderr
    (launcher.directory / "data").unlink()


def test_a_redis_that_was_set_and_does_not_answer_is_named(launcher: Launcher) -> None:
    refused = launcher.run("start", WHISPER_REDIS_URL=f"redis://:hidden@127.0.0.1:{free_port()}/0")
    assert refused.returncode == 1
    assert "No Redis answers at WHISPER_REDIS_URL" in refused.stderr
    assert "hidden" not in refused.stderr


@pytest.mark.slow
def test_a_redis_that_was_set_is_used_and_left_running(launcher: Launcher) -> None:
    """Slow: a start of its own; tests/faults/crashes/test_redis.py has such a Redis, too."""
    redis = EmbeddedRedis.plan(launcher.directory / "elsewhere", launcher.directory / "elsewhere", unix_sockets=False)
    server = subprocess.Popen(redis.child().argv)
    try:
        wait_for(redis.answers, "Redis")
        launcher.start(WHISPER_REDIS_URL=redis.url)
        assert sorted(launcher.children()) == ["api", "worker", "worker.webhooks"]
        assert not (launcher.directory / "data" / "redis").exists()
        assert launcher.run("stop").returncode == 0
        assert redis.answers()
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow
def test_restart_keeps_the_options_it_was_started_with(launcher: Launcher) -> None:
    """Slow: two starts of a service."""
    port = free_port()
    launcher.start("--port", str(port), "--device", "cpu")
    first = launcher.pid
    restarted = launcher.run("restart")
    assert restarted.returncode == 0, restarted.stderr
    assert f"whisper-native is ready: http://127.0.0.1:{port}" in restarted.stdout
    assert launcher.pid != first


def test_in_the_foreground_it_says_when_it_is_ready_and_ctrl_c_ends_it(launcher: Launcher) -> None:
    process = subprocess.Popen(
        ["bash", str(ROOT / "scripts" / "run_server.sh"), "--port", str(launcher.port)],
        env=launcher.environment(PYTHON=sys.executable),
        cwd=launcher.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert any("whisper-native is ready" in line for line in process.stdout)
        children = list(launcher.children().values())
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0
        assert not any(lives(child) for child in children)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
