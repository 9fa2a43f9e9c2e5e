"""The whole service as it really runs: Redis, worker and API under the supervisor, in a directory of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from redis import Redis

from scripts.service.pid_file import PidFile, Running
from tests.acceptance import wire

ROOT = Path(__file__).parents[2]
DEADLINE = 120.0  # seconds; only a broken or very busy machine needs as much
ENDED = ("finished", "failed", "canceled")

# As `whisper-native.py run`, but in the directory it is started in, where no .env lies; it ends with the tests.
RUN = """
import gc, sys
gc.disable()
from scripts.service.config import ServiceConfig
from scripts.service.foreground import run
from worker.runtime import lifeline
gc.enable()
service = ServiceConfig.from_settings()
lifeline.watch(service.worker.timing.grace)
sys.exit(run(service, {}, None, wait=0))
"""

Value = TypeVar("Value")


def until(condition: Callable[[], Value], what: str, timeout: float = DEADLINE) -> Value:
    """What the condition returns once that is true."""
    began = time.monotonic()
    while not (value := condition()):
        passed = time.monotonic() - began
        assert passed < timeout, f"waited {timeout:.0f} s in vain: {what}"
        time.sleep(next_look(passed))
    return value


def next_look(passed: float) -> float:
    """Seconds until one looks again that has waited for so long: each look takes time from what is waited for."""
    return min(0.02 + passed / 10, 0.2)


@dataclass
class LiveService:
    """One running service. `settings` are its environment variables, `key` the API key its callers send."""

    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None

    def start(self) -> None:
        """Returns once it is ready."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / "service.log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", RUN],
                cwd=self.directory,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        try:
            until(self._is_known, "the service writes its pid file")
            until(self.is_ready, "the service is ready")
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None

    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if "WHISPER_" not in name}
        own = {
            "PYTHONPATH": str(ROOT),
            "WHISPER_PARENT_PIPE": "1",
            "WHISPER_DATA_DIR": str(self.data),
            "WHISPER_LOG_DIR": str(self.directory / "logs"),
            "NATIVE_WHISPER_HOST": "127.0.0.1",
            "NATIVE_WHISPER_PORT": "0",  # any free one
        }
        return {**env, **own, **self.settings}

    def ask_to_stop(self) -> None:
        self._process.terminate()

    def stop(self) -> None:
        """Returns once all its processes have ended; does nothing where they have."""
        self.ask_to_stop()
        try:
            self._process.wait(DEADLINE)
        finally:
            self._process.kill()
            if self._process.stdin:
                self._process.stdin.close()

    def kill(self) -> None:
        """As the out-of-memory killer would, and the supervisor alone: its children find out by themselves."""
        self._process.kill()
        self._process.wait(DEADLINE)
        if self._process.stdin:
            self._process.stdin.close()

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self._process.pid

    def log(self) -> str:
        return (self.directory / "service.log").read_text(encoding="utf-8", errors="replace")

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"} if self.key else {}

    def http(self, **headers: str) -> httpx.Client:
        """A plain client with the key and these headers; close it."""
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        # Without `verify` it would read all certificates of the system, which takes longer than the call.
        return httpx.Client(base_url=self.url, headers=sent, timeout=DEADLINE, trust_env=False, verify=False)

    def redis(self) -> Redis:
        """Its own Redis; close it."""
        return Redis.from_url(self.running.redis_url, socket_timeout=10)

    def get(self, path: str, **query: Any) -> httpx.Response:
        with self.http() as client:
            return client.get(path, params=query)

    def post(self, path: str, **request: Any) -> httpx.Response:
        """request: as httpx takes it: data, files, headers …"""
        with self.http() as client:
            return client.post(path, **request)

    def post_form(self, path: str, *parts: bytes) -> httpx.Response:
        """A form of parts that stand there as they are."""
        return self.post(path, content=wire.form(*parts), headers={"content-type": wire.FORM_TYPE})

    def transcribe(self, path: Path, **fields: Any) -> httpx.Response:
        """A recording through OpenAI's route."""
        with open(path, "rb") as file:
            return self.post(
                "/v1/audio/transcriptions", data={"model": "whisper-1", **fields}, files={"file": (path.name, file)}
            )

    def submit(self, path: Path, **fields: Any) -> str:
        """A recording as a job; returns its id."""
        with open(path, "rb") as file:
            response = self.post("/v1/jobs", data=fields, files={"file": (path.name, file)})
        assert response.status_code == 202, response.text
        job_id: str = response.json()["id"]
        return job_id

    def job(self, job_id: str, **query: Any) -> dict[str, Any]:
        response = self.get(f"/v1/jobs/{job_id}", **query)
        assert response.status_code == 200, response.text
        job: dict[str, Any] = response.json()
        return job

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended."""
        deadline = time.monotonic() + 2 * DEADLINE
        while (job := self.job(job_id, wait=20))["status"] not in ENDED:
            assert time.monotonic() < deadline, f"the job does not end: {job}"
        return job

    def in_state(self, job_id: str, status: str) -> dict[str, Any]:
        """The job once it is in this state."""

        def look() -> dict[str, Any] | None:
            job = self.job(job_id)
            assert job["status"] in (status, "queued", "started"), job
            return job if job["status"] == status else None

        return until(look, f"{job_id} is {status}") or {}

    def job_ids(self) -> set[str]:
        return set(os.listdir(self.data / "jobs"))

    def traces(self) -> set[str]:
        """All that uploads and jobs leave on disk and in Redis."""
        found = {f"{place}/{name}" for place in ("incoming", "jobs") for name in os.listdir(self.data / place)}
        with self.redis() as redis:
            for pattern in ("rq:job:*", "whisper:status:*", "whisper:events:*"):
                found.update(key.decode() for key in redis.scan_iter(pattern, count=1000))
            for queue in ("interactive", "batch"):
                rows: Any = redis.lrange(f"rq:queue:{queue}", 0, -1)
                found.update(f"{queue}: {row.decode()}" for row in rows)
        return found

    def _is_known(self) -> bool:
        assert self._process.poll() is None, f"the service ended with exit code {self._process.returncode}"
        running = PidFile(self.data / "whisper-native.pid").leftover()
        if running is None or running.pid != self._process.pid:  # what a killed one left behind
            return False
        self.running: Running = running
        return True

    def is_ready(self) -> bool:
        assert self._process.poll() is None, f"the service ended with exit code {self._process.returncode}"
        try:
            return self.get("/health/ready").status_code == 200
        except httpx.TransportError:
            return False


@contextlib.contextmanager
def nothing_left(service: LiveService) -> Iterator[None]:
    """Neither an upload nor a job nor an entry of a queue is there that was not there before."""
    before = service.traces()
    yield
    until(lambda: service.traces() <= before, "everything is removed", timeout=20)


def assert_error(response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """Checks OpenAI's shape with all four keys filled as they should be, and returns the message."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = json.loads(response.content)
    assert list(body) == ["error"]
    assert set(body["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    assert (error["code"], error["param"]) == (code, param), error
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    message: str = error["message"]
    assert isinstance(message, str)
    assert len(message) > 10
    return message
