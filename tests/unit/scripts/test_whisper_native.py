"""The parts of the launcher: options, pid file, port, log, what it prints."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from scripts.cli import command_line, commands
from scripts.cli.store_copy import copy_store
from scripts.doctor import listening
from scripts.service import stopping
from scripts.service.address import free_port, problem_with, url_for
from scripts.service.config import ServiceConfig, SettingsInvalid
from scripts.service.guide import usage
from scripts.service.log_file import MAX_BYTES, rotate, show, tail
from scripts.service.pid_file import AlreadyRunning, PidFile, Running
from scripts.service.readiness import ask
from scripts.service.start_options import OPTIONS
from tests.unit.factories import make_request
from worker.store.job_store import LocalStore
from worker.webhooks.keys import key_of, new_secret

ROOT = Path(__file__).parents[3]
DEADLINE = 20.0  # seconds

Hold = Callable[[str], "subprocess.Popen[str]"]


def running(pid: int = 4711, **more: object) -> Running:
    values: dict[str, object] = {"started_at": time.time(), "url": "http://localhost:9001", "log": "x.log"}
    return Running(pid=pid, redis_url="unix:///x", **{**values, **more})  # type: ignore[arg-type]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceConfig:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHISPER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WHISPER_LOG_DIR", str(tmp_path / "logs"))
    monkeypatch.delenv("WHISPER_REDIS_URL", raising=False)
    return ServiceConfig.from_settings()


@pytest.fixture
def other_process(tmp_path: Path) -> Iterator[Hold]:
    """Starts a process that holds tmp_path/data/whisper-native.pid as the service does, then runs `body`."""
    started: list[subprocess.Popen[str]] = []

    def start(body: str) -> subprocess.Popen[str]:
        code = (
            "import os, pathlib, sys, time\n"
            "from scripts.service.pid_file import PidFile, Running\n"
            f"file = PidFile(pathlib.Path({str(tmp_path / 'data' / 'whisper-native.pid')!r}))\n"
            "file.hold()\n"
            "file.write(Running(os.getpid(), time.time(), 'http://localhost:9001', None, 'unix:///x'))\n"
            "print('held', flush=True)\n" + body
        )
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class TestPidFile:
    def test_says_who_the_service_is(self, service: ServiceConfig, other_process: Hold) -> None:
        process = other_process("time.sleep(60)")
        holder = PidFile(service.pid_file).holder()
        assert holder is not None
        assert holder.pid == process.pid
        assert service.pid_file.read_text().splitlines()[0] == str(process.pid)

    def test_a_second_service_cannot_hold_it(
        self, service: ServiceConfig, other_process: Hold, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scripts.service.pid_file.LOCK_TIMEOUT", 0.02)
        other_process("time.sleep(60)")
        with pytest.raises(AlreadyRunning):
            PidFile(service.pid_file).hold()

    def test_a_killed_service_holds_nothing_though_its_number_is_in_use(
        self, service: ServiceConfig, other_process: Hold
    ) -> None:
        process = other_process("time.sleep(60)")
        process.kill()
        process.wait()
        text = service.pid_file.read_text().replace(str(process.pid), str(os.getpid()))  # used again, by us
        service.pid_file.write_text(text)
        file = PidFile(service.pid_file)
        assert file.holder() is None
        leftover = file.leftover()
        assert leftover is not None
        assert leftover.pid == os.getpid()
        file.hold()
        file.release()

    def test_a_service_that_stopped_leaves_it_empty(self, service: ServiceConfig) -> None:
        file = PidFile(service.pid_file)
        file.hold()
        file.write(running())
        file.release()
        assert service.pid_file.read_text() == ""
        assert file.leftover() is None

    def test_looking_at_it_does_not_keep_a_service_from_starting(self, service: ServiceConfig) -> None:
        file = PidFile(service.pid_file)
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                PidFile(service.pid_file).is_held()

        looker = threading.Thread(target=look)
        looker.start()
        try:
            for _ in range(20):
                file.hold()
                file.release()
        finally:
            stop.set()
            looker.join()

    @pytest.mark.parametrize("text", ["", "4711\n", "garbage", "4711\n{}", "4711\n[]"])
    def test_what_cannot_be_read_is_nobody(self, service: ServiceConfig, text: str) -> None:
        service.pid_file.write_text(text)
        assert PidFile(service.pid_file).holder() is None
        assert PidFile(service.pid_file).leftover() is None

    @pytest.mark.skipif(os.name == "nt", reason="modes")
    def test_only_its_owner_reads_it(self, service: ServiceConfig) -> None:
        """It may hold Redis' password. An earlier version let everybody read it."""
        file = PidFile(service.pid_file)
        assert not file.is_held()  # `start` looks first
        file.hold()
        file.release()
        assert service.pid_file.stat().st_mode & 0o077 == 0
        service.pid_file.chmod(0o644)
        file.hold()
        file.release()
        assert service.pid_file.stat().st_mode & 0o077 == 0


class TestStopping:
    def test_a_service_that_takes_the_request_is_stopped(self, service: ServiceConfig, other_process: Hold) -> None:
        process = other_process("time.sleep(60)")
        assert stopping.stop_running(running(process.pid), service) == "stopped"

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no signal that could be ignored")
    def test_one_that_does_not_is_killed_and_it_says_so(self, service: ServiceConfig, other_process: Hold) -> None:
        process = other_process(
            "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(1, flush=True)\ntime.sleep(60)"
        )
        assert process.stdout is not None
        process.stdout.readline()
        assert "killed" in str(stopping.stop_running(running(process.pid), service, patience=0.02))
        assert process.wait(DEADLINE) == -signal.SIGKILL

    def test_on_windows_the_request_is_a_file(
        self,
        service: ServiceConfig,
        other_process: Hold,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        process = other_process(f"while not os.path.exists({str(service.stop_file)!r}): time.sleep(0.02)")
        monkeypatch.setattr(stopping, "_has_signals", lambda: False)
        assert stopping.stop_running(running(process.pid), service) == "stopped"
        assert process.wait(DEADLINE) == 0

    def test_one_that_stops_by_itself_meanwhile_is_stopped(
        self, service: ServiceConfig, other_process: Hold, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As while `stop` ends another part first."""
        process = other_process("time.sleep(60)")
        holder = PidFile(service.pid_file).holder()
        assert holder is not None
        process.kill()
        process.wait()
        stopping.ask_to_stop(holder, service)
        monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("its number may be another's by now"))
        assert stopping.stop_running(holder, service) == "stopped"

    def test_a_leftover_number_is_never_signalled(
        self, service: ServiceConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = PidFile(service.pid_file)
        file.hold()
        file.write(running(os.getpid()))
        text = service.pid_file.read_text()
        file.release()
        service.pid_file.write_text(text)
        monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("it signalled a process that is not the service"))
        assert commands.stop(service) == 0
        assert "not running" in capsys.readouterr().out


class TestAddress:
    @pytest.mark.parametrize(
        ("host", "url"),
        [
            ("0.0.0.0", "http://localhost:9001"),
            ("::", "http://localhost:9001"),
            ("127.0.0.1", "http://127.0.0.1:9001"),
            ("::1", "http://[::1]:9001"),
            ("my-mac", "http://my-mac:9001"),
        ],
    )
    def test_says_how_this_machine_reaches_it(self, host: str, url: str) -> None:
        assert url_for(host, 9001) == url

    def test_a_free_port_is_no_problem(self) -> None:
        assert problem_with("127.0.0.1", free_port("127.0.0.1")) is None

    def test_a_taken_port_is_named_with_the_way_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("scripts.service.address.NEIGHBOUR_TIMEOUT", 0.05)
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            problem = problem_with("127.0.0.1", port)
        assert problem is not None
        assert re.search(rf"Port {port} is taken by another program .* NATIVE_WHISPER_PORT", problem)

    def test_a_port_taken_by_a_service_of_ours_says_so(self, health: Health) -> None:
        health.answer = b'{"status": "ready", "checks": {}}'
        problem = problem_with("127.0.0.1", health.port)
        assert problem is not None
        assert "another whisper-native" in problem

    def test_an_address_of_another_machine_is_named(self) -> None:
        problem = problem_with("192.0.2.1", 9001)  # TEST-NET, nobody's
        assert problem is not None
        assert "NATIVE_WHISPER_HOST" in problem


class Health:
    """A stand-in for /health/ready that answers what the test says."""

    def __init__(self) -> None:
        self.answer = b"{}"
        self.code = 200
        self.keys: list[str | None] = []  # that were sent
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.keys.append(self.headers.get("x-api-key"))
                self.send_response(outer.code)
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()


@pytest.fixture
def health() -> Iterator[Health]:
    stand_in = Health()
    yield stand_in
    stand_in.server.shutdown()
    stand_in.thread.join()
    stand_in.server.server_close()


class TestReadiness:
    def test_a_503_says_why(self, health: Health) -> None:
        health.code = 503
        checks = {
            "redis": {"ok": True, "detail": "answers"},
            "worker": {"ok": False, "detail": "The model base is still being loaded."},
        }
        health.answer = json.dumps({"status": "unavailable", "checks": checks}).encode()
        readiness = ask(f"http://127.0.0.1:{health.port}")
        assert readiness.answers
        assert not readiness.ready
        assert readiness.reason == "The model base is still being loaded."

    def test_it_is_asked_with_a_key_that_opens_the_service(self, health: Health) -> None:
        """Strangers are not told why."""
        here = running(url=f"http://127.0.0.1:{health.port}")
        for key in ("sk-ann", ""):
            listening.state(here, key=key)
        assert health.keys == ["sk-ann", None]

    @pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"{}", b'{"status": "ready"}', b'"ready"'])
    def test_another_program_is_not_taken_for_the_service(self, health: Health, answer: bytes) -> None:
        health.answer = answer
        assert not ask(f"http://127.0.0.1:{health.port}").answers

    def test_a_proxy_is_not_asked(self, health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
        health.answer = b'{"status": "ready", "checks": {}}'
        assert ask(f"http://127.0.0.1:{health.port}").ready

    def test_nobody_there_is_not_ready(self) -> None:
        assert not ask(f"http://127.0.0.1:{free_port('127.0.0.1')}").answers


class TestLog:
    def test_shows_the_last_lines(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        log.write_text("".join(f"line {n} {'x' * 200}\n" for n in range(2000)))
        assert [line.split()[1] for line in tail(log, 3).splitlines()] == ["1997", "1998", "1999"]
        assert len(tail(log, 10_000).splitlines()) == 2000
        assert tail(log, 0) == ""

    def test_what_is_added_while_the_end_is_shown_is_not_lost(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log = tmp_path / "log"
        log.write_text("one\n")

        def add_then_tail(path: Path, lines: int, **bounds: int) -> str:
            with log.open("a") as file:
                file.write("two\n")
            return tail(path, lines, **bounds)

        rounds = iter([None])

        def interrupt_second(_: float) -> None:
            if next(rounds, "end") == "end":
                raise KeyboardInterrupt

        monkeypatch.setattr("scripts.service.log_file.tail", add_then_tail)
        monkeypatch.setattr("scripts.service.log_file.time.sleep", interrupt_second)
        with pytest.raises(KeyboardInterrupt):
            show(log, 10, follow=True)
        assert capsys.readouterr().out == "one\ntwo\n"

    def test_shows_only_what_this_start_wrote(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        log.write_text("yesterday\n")
        beginning = log.stat().st_size
        with log.open("a") as file:
            file.write("today\n")
        assert tail(log, 20, beginning=beginning) == "today\n"

    def test_follows_what_is_added_and_through_a_rotation(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log = tmp_path / "log"
        log.write_text("one\n")
        steps = iter(["two\n", None, "three\n"])

        def happen(_: float) -> None:
            step = next(steps, "end")
            if step == "end":
                raise KeyboardInterrupt
            if step is None:
                log.unlink()
                return
            with log.open("a") as file:
                file.write(step)

        monkeypatch.setattr("scripts.service.log_file.time.sleep", happen)
        with pytest.raises(KeyboardInterrupt):
            show(log, 10, follow=True)
        assert capsys.readouterr().out == "one\ntwo\nthree\n"

    def test_a_large_one_is_set_aside_at_a_start(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        assert not rotate(log)
        with log.open("wb") as file:
            file.truncate(MAX_BYTES + 1)
        assert rotate(log)
        assert not log.exists()
        assert (tmp_path / "log.1").stat().st_size == MAX_BYTES + 1


class TestGuide:
    def test_without_keys_the_command_works_as_it_stands(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "samples").mkdir()
        (tmp_path / "samples" / "meeting.mp3").touch()
        text = usage("http://localhost:9001", needs_key=False, stop="Ctrl-C", log=None)
        assert "http://localhost:9001/v1/audio/transcriptions -F file=@samples/meeting.mp3 -F model=whisper-1" in text
        assert "http://localhost:9001/rq" in text
        assert "Authorization" not in text

    def test_with_keys_it_shows_where_the_key_goes_and_never_the_key(self) -> None:
        text = usage("http://localhost:9001", needs_key=True, stop="Ctrl-C", log=None)
        assert "Authorization: Bearer YOUR_KEY" in text


class TestCommandLine:
    def test_options_replace_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        line = "run --port 9100 --host 127.0.0.1 --model small --device cpu --compute-type int8 --engine fake"
        arguments = command_line._parser().parse_args(line.split())
        assert command_line._overrides(arguments) == {
            "NATIVE_WHISPER_PORT": "9100",
            "NATIVE_WHISPER_HOST": "127.0.0.1",
            "WHISPER_MODEL": "small",
            "WHISPER_DEVICE": "cpu",
            "WHISPER_COMPUTE_TYPE": "int8",
            "WHISPER_ENGINE": "fake",
        }

    def test_a_model_directory_is_taken_from_where_the_command_was_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "my" / "model").mkdir(parents=True)
        (tmp_path / "base").mkdir()  # a name that is also a model's stays a name

        def model(value: str) -> str:
            return command_line._overrides(command_line._parser().parse_args(["run", "--model", value]))[
                "WHISPER_MODEL"
            ]

        assert model("my/model") == str(tmp_path / "my" / "model")
        assert model("base") == "base"
        assert model("Systran/faster-whisper-base") == "Systran/faster-whisper-base"

    def test_options_come_before_the_environment_and_that_before_dotenv(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / ".env").write_text("NATIVE_WHISPER_PORT=9002\nWHISPER_MODEL=small\nWHISPER_LOG_DIR=my-logs\n")
        monkeypatch.setenv("WHISPER_MODEL", "medium")
        service = ServiceConfig.from_settings()
        assert (service.api.port, service.worker.model, service.log_dir) == (9002, "medium", Path("my-logs"))

    def test_a_wrong_setting_is_named_and_a_key_never_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WHISPER_API_KEYS", "sk-very-secret")
        with pytest.raises(SettingsInvalid, match="WHISPER_API_KEYS: entry 1") as caught:
            ServiceConfig.from_settings()
        assert "secret" not in str(caught.value)
        monkeypatch.setenv("WHISPER_API_KEYS", "")
        monkeypatch.setenv("NATIVE_WHISPER_PORT", "http")
        with pytest.raises(SettingsInvalid, match=r"NATIVE_WHISPER_PORT: .*integer"):
            ServiceConfig.from_settings()


@pytest.mark.skipif(os.name == "nt", reason="shell scripts")
class TestShellScripts:
    def run(
        self, tmp_path: Path, script: str, *arguments: str, python: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        stand_in = tmp_path / "my python"
        stand_in.write_text('#!/bin/sh\n[ "$1" = -c ] || printf "%s\\n" "$@"\n')
        stand_in.chmod(0o755)
        env = {**os.environ, "PYTHON": python or str(stand_in)}
        command = ["bash", str(ROOT / "scripts" / script), *arguments]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE)

    def test_run_server_hands_every_option_on_from_any_directory(self, tmp_path: Path) -> None:
        options = ["--port", "9100", "--model", "my models/base", "--device", "cpu", "--compute-type", "int8"]
        ended = self.run(tmp_path, "run_server.sh", *options)
        assert ended.stdout.splitlines() == [f"{ROOT}/scripts/whisper-native.py", "run", *options]

    def test_a_python_that_does_not_start_is_named(self, tmp_path: Path) -> None:
        ended = self.run(tmp_path, "run_server.sh", python="/no/such/python")
        assert ended.returncode == 1
        assert "PYTHON is set to '/no/such/python'" in ended.stderr

    def test_run_server_for_windows_knows_the_same_options(self) -> None:
        text = (ROOT / "scripts" / "run_server.ps1").read_text()
        for option in OPTIONS:
            assert f"'--{option}'" in text
        for parameter in ("Port", "BindHost", "Model", "Device", "ComputeType", "Engine"):
            assert re.search(rf"\[(int|string)\] \${parameter}\b", text)


def test_the_secret_of_call_backs_is_the_configured_one_or_the_services_own(
    service: ServiceConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.webhook_secret(service, new=False) == 0
    own = capsys.readouterr().out
    assert own.strip() == (service.worker.data_dir / "webhook-secret").read_text().strip()
    monkeypatch.setenv("WHISPER_WEBHOOK_SECRET", f"{new_secret()},{own}")
    configured = ServiceConfig.from_settings()
    commands.webhook_secret(configured, new=False)
    assert capsys.readouterr().out.splitlines() == os.environ["WHISPER_WEBHOOK_SECRET"].strip().split(",")
    commands.webhook_secret(configured, new=True)
    fresh = capsys.readouterr()
    assert fresh.out not in os.environ["WHISPER_WEBHOOK_SECRET"]
    assert f"as text, for tools that take no base64: {key_of(fresh.out.strip()).decode()}\n" in fresh.err


class TestStoreCopy:
    """See tests/unit/worker/store/copying for what is copied."""

    def copy(self, service: ServiceConfig, source: Path, target: Path) -> int:
        return copy_store(service, str(source), str(target))

    def test_a_data_directory_is_copied_and_says_how_much(
        self, service: ServiceConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        upload = LocalStore(tmp_path / "data").receive()
        upload.write(b"RIFF")
        upload.commit(make_request(upload.id))
        for words in ("1 jobs copied", "1 were there already"):
            assert self.copy(service, tmp_path / "data", tmp_path / "copy") == 0
            assert words in capsys.readouterr().out

    def test_what_is_no_store_is_not_copied(
        self, service: ServiceConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.copy(service, tmp_path / "nothing", tmp_path / "copy") == 1
        assert "no data directory" in capsys.readouterr().err
        LocalStore(tmp_path / "data")
        assert self.copy(service, tmp_path / "data", tmp_path / "data") == 1
        assert "the same store" in capsys.readouterr().err

    def test_a_store_that_is_served_is_not_copied_to(
        self, service: ServiceConfig, tmp_path: Path, other_process: Hold, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("data", "other"):
            LocalStore(tmp_path / name)
        other_process("time.sleep(60)")
        assert self.copy(service, tmp_path / "other", tmp_path / "data") == 1
        assert "in use by the service on this machine" in capsys.readouterr().err
        assert self.copy(service, tmp_path / "data", tmp_path / "other") == 0
        assert "run this again" in capsys.readouterr().err
