"""Starts the service as a process of its own and watches it come up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from scripts.redis_server.given_redis import problem_with as problem_with_redis
from scripts.service.address import problem_with, problem_with_wyoming
from scripts.service.config import ServiceConfig
from scripts.service.guide import SCRIPT
from scripts.service.log_file import rotate, tail
from scripts.service.pid_file import PidFile, Running
from scripts.service.readiness import Readiness, ask_parts, local_workers
from scripts.service.start_options import OPTIONS
from scripts.service.stopping import stop_running
from worker.queue.heartbeat import WorkerHeartbeat
from worker.runtime.connection import connect_briefly
from worker.store.errors import StoreUnfit
from worker.store.factory import identity

LAUNCHER = Path(__file__).parents[1] / "whisper-native.py"
LOOK_EVERY = 0.2  # seconds
SHOWN_LINES = 20


class StartFailed(Exception):
    """Says why, with the end of the log if that helps."""


def start_and_wait(service: ServiceConfig, overrides: Mapping[str, str], wait: float) -> Running:
    """Returns once it is ready, `wait` seconds at most; raises StartFailed."""
    if "api" in service.roles and service.api.port and (problem := problem_with(service.api.host, service.api.port)):
        raise StartFailed(problem)
    if "api" in service.roles and (address := service.wyoming.address) and (problem := problem_with_wyoming(*address)):
        raise StartFailed(problem)
    redis_url = service.worker.redis_url
    try:
        problem = redis_url and problem_with_redis(redis_url, identity(service.worker))
    except StoreUnfit as error:
        raise StartFailed(str(error)) from error
    if problem:
        raise StartFailed(problem)
    if redis_url and not _answers(redis_url):
        raise StartFailed(_no_redis(redis_url, service))
    if (leftover := PidFile(service.pid_file).leftover()) is not None:
        print(f"An earlier run (pid {leftover.pid}) ended without cleaning up; its pid file is replaced.")
    rotate(service.log_file)
    watch = _Watch(service, wait, _launch(service, overrides))
    print(f"Starting whisper-native (log: {service.log_file}) ...", flush=True)
    try:
        return watch.until_ready()
    except KeyboardInterrupt:
        print("\nIt goes on starting in the background.")
        raise


def _launch(service: ServiceConfig, overrides: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process that this terminal's end does not end."""
    options = [f"--{option}={overrides[setting]}" for option, (setting, _) in OPTIONS.items() if setting in overrides]
    command = [sys.executable, str(LAUNCHER), "run", "--log", str(service.log_file), *options]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with open(service.log_file, "ab") as log:
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
            return subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, creationflags=flags
            )
        else:  # noqa: RET505 - mypy calls what follows an early return unreachable on the other platform
            return subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )


class _Watch:
    """Follows one start until it is ready or has failed."""

    def __init__(self, service: ServiceConfig, wait: float, process: subprocess.Popen[bytes]) -> None:
        self._service = service
        self._process = process
        self._wait = wait
        self._launched_at = time.time()
        self._log_begins = service.log_file.stat().st_size
        self._said = ""

    def until_ready(self) -> Running:
        deadline = time.monotonic() + self._wait
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise StartFailed(self._with_log("whisper-native ended while it was starting."))
            if (running := self._running()) is not None and self._is_ready(running):
                return running
            time.sleep(LOOK_EVERY)
        raise StartFailed(
            f"whisper-native is not ready after {self._wait:.0f} s ({self._said}). It goes on in the background; look "
            f"with: {SCRIPT} status"
        )

    def _running(self) -> Running | None:
        """What the new process says of itself, once it has."""
        pid_file = PidFile(self._service.pid_file)
        running = pid_file.leftover() if pid_file.is_held() else None
        return running if running is not None and running.started_at >= self._launched_at - 1 else None

    def _is_ready(self, running: Running) -> bool:
        roles = self._service.roles
        readiness = ask_parts(roles, running.url, running.redis_url, self._service.api.any_key)
        if readiness.ready:
            return True
        present = local_workers(running.redis_url) if "worker" in roles else []
        if present and all(worker.state == "failed" for worker in present):
            self._give_up(running, present[0])
        if "api" in roles and readiness.answers and ("worker" not in roles or readiness.checks["worker"][0]):
            raise StartFailed(f"whisper-native runs at {running.url} but takes no work: {readiness.reason}")
        self._say(_progress(readiness, present))
        return False

    def _give_up(self, running: Running, worker: WorkerHeartbeat) -> None:
        stop_running(running, self._service)
        raise StartFailed(
            f"The model {worker.model} could not be loaded, so whisper-native was stopped again:\n  {worker.error}\n"
            f"Log: {self._service.log_file}"
        )

    def _say(self, text: str) -> None:
        if text != self._said:
            print(f"  {text} ...", flush=True)
            self._said = text

    def _with_log(self, text: str) -> str:
        lines = tail(self._service.log_file, SHOWN_LINES, beginning=self._log_begins).rstrip()
        return f"{text} The end of {self._service.log_file}:\n\n{lines}" if lines else text


def _progress(readiness: Readiness, present: list[WorkerHeartbeat]) -> str:
    for name, (is_ok, detail) in readiness.checks.items():
        if not name.startswith("worker") and not is_ok:
            return detail
    for worker in present:
        if worker.state == "loading":
            return f"loading model {worker.model} (a new one is downloaded first)"
    return "starting its processes"


def _answers(url: str) -> bool:
    try:
        with connect_briefly(url) as redis:
            return bool(redis.ping())
    except RedisError:
        return False


def _no_redis(url: str, service: ServiceConfig) -> str:
    parts = urlsplit(url)
    at = f" ({parts.hostname}:{parts.port or 6379})" if parts.hostname else ""
    said = f"No Redis answers at WHISPER_REDIS_URL{at}."
    if service.roles.are_all:
        start = "Start it (docker compose -f docker-compose.redis.yml up -d)"
        return f"{said} {start}, correct the setting, or remove it to let the service start its own."
    return f"{said} Start it, or correct the setting: rediss:// is for a Redis with TLS, redis:// for one without."
