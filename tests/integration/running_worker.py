"""A real Redis, a store, and `python -m worker` as the supervisor would start it; the test plays the API."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job
from rq.serializers import JSONSerializer

from engines.base import DecodeOptions
from scripts.redis_server.program import find_server
from tests.acceptance.live import until
from tests.unit.factories import make_request
from worker.jobs.backlog import Backlog
from worker.jobs.expiry import Expiry
from worker.jobs.job_service import JobService
from worker.maintenance.maintenance import Maintenance
from worker.queue import heartbeat
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.runtime.connection import connect
from worker.runtime.timing import Timing
from worker.store.job_store import LocalStore
from worker.store.records import JobRequest, Outcome

ROOT = Path(__file__).parents[2]
DEADLINE = 90.0  # seconds
ROUND = 0.2  # seconds between two rounds of maintenance, as an API at a tenth of the time makes them


class RedisServer:
    """A redis-server that keeps its data over a crash: on a unix socket, or at an address that other machines reach."""

    def __init__(self, directory: Path, host: str | None = None) -> None:
        self._directory = directory
        if host is None:
            socket = directory / "redis.sock"
            self._place = ["--port", "0", "--unixsocket", str(socket)]
            self.url = f"unix://{socket}"
        else:
            self._place = ["--port", "6379", "--bind", host, "--protected-mode", "no"]
            self.url = f"redis://{host}:6379/0"
        self.start()

    def start(self) -> None:
        server = [str(find_server()), *self._place]
        files = ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", str(self._directory)]
        self._process = subprocess.Popen([*server, *files], stdout=subprocess.DEVNULL)
        with Redis.from_url(self.url) as client:
            wait_for(lambda: answers(client))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self._process

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(DEADLINE)

    def empty(self) -> None:
        """Removes all it has written, while it does not run."""
        for path in self._directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="wn-") as directory:  # a socket's path must be short
        server = RedisServer(Path(directory))
        yield server
        server.kill()


def wait_for(condition: Callable[[], object], timeout: float = DEADLINE) -> None:
    """Until the condition holds; fails the test past the deadline."""
    until(lambda: bool(condition()), "what the test waits for", timeout)


class RunningWorker:
    """One worker process and everything around it. scale: of all the service's own durations, see Timing."""

    def __init__(self, redis_url: str, directory: Path, scale: float = 1.0) -> None:
        self.scale = scale
        self.timing = Timing().scaled(scale)
        self.url = redis_url
        self.directory = directory
        self.redis: Redis = connect(redis_url)
        self.store = LocalStore(directory / "data")
        self.queue = JobQueue(self.redis, timing=self.timing)
        self.events = Events(self.redis)
        backlog = Backlog(self.store, self.queue, max_jobs=1000, max_hours=1000)
        self.jobs = JobService(self.store, self.queue, self.events, backlog, Expiry(self.store, timing=self.timing))
        self.maintenance = self.new_maintenance()
        self.processes: list[subprocess.Popen[bytes]] = []

    def new_maintenance(self) -> Maintenance:
        """One that has looked at nothing yet, as that of an API which has just started."""
        return Maintenance(self.store, self.queue, self.events, self.redis, timing=self.timing)

    def start(
        self, *, ready: bool = True, clock: int = 0, code: Path = ROOT, **settings: str
    ) -> subprocess.Popen[bytes]:
        """Starts a worker with these settings (`model="0.5"`); with the fake engine unless one is named. clock: seconds
        by which its machine's is ahead. code: a checkout."""
        base = {"engine": "fake", "model": "0", "device": f"cpu:{len(self.processes)}"}  # each has a device of its own
        own = {"redis_url": self.url, "data_dir": str(self.store.root), "time_scale": str(self.scale)}
        env = {name: value for name, value in os.environ.items() if not name.startswith("WHISPER_")}
        env |= {f"WHISPER_{name.upper()}": value for name, value in {**own, **base, **settings}.items()}
        with open(self.log_file, "ab") as log:
            program = ["tests.wrong_clock", str(clock), "worker"] if clock else ["worker"]
            process = subprocess.Popen([sys.executable, "-m", *program], cwd=code, env=env, stdout=log, stderr=log)
        self.processes.append(process)
        if ready:
            wait_for(lambda: self.presence_of(process) == "ready" or process.poll() is not None)
            assert process.poll() is None, self.log_file.read_text()
        return process

    @property
    def log_file(self) -> Path:
        return self.directory / "worker.log"

    def presence_of(self, process: subprocess.Popen[bytes]) -> str | None:
        states = {worker.pid: worker.state for worker in heartbeat.workers(self.redis)}
        return states.get(process.pid)

    def submit(self, audio: Path, **changes: Any) -> JobRequest:
        """A job in the store and in its queue, as the API leaves it."""
        upload = self.store.receive()
        upload.write(audio.read_bytes())
        request = make_request(
            upload.id, size=upload.size, **{"options": DecodeOptions(words=True), "model": "whisper-1", **changes}
        )
        self.jobs.submit(upload, request)
        return request

    def outcome(self, request: JobRequest, timeout: float = DEADLINE) -> Outcome:
        """The job's end, once it is there; maintenance runs meanwhile, as it does in the API."""

        next_round = 0.0

        def ended() -> bool:
            nonlocal next_round
            if time.monotonic() > next_round:
                self.maintenance.run_once()
                next_round = time.monotonic() + ROUND
            return self.store.outcome(request.id) is not None

        wait_for(ended, timeout)
        outcome = self.store.outcome(request.id)
        assert outcome is not None
        return outcome

    def record(self, request: JobRequest) -> Job:
        return Job.fetch(request.id, connection=self.redis, serializer=JSONSerializer)

    def status(self, request: JobRequest) -> str:
        return str(self.record(request).get_status().value)

    def wait_for_status(self, request: JobRequest, status: str, timeout: float = DEADLINE) -> None:
        wait_for(lambda: self.status(request) == status, timeout)

    def told(self, request: JobRequest) -> list[str]:
        """The names of the job's events so far."""
        rows: Any = self.redis.xrange(f"whisper:events:{request.id}")
        return [fields[b"event"].decode() for _, fields in rows]

    def wait_until_decoding(self, request: JobRequest) -> None:
        """Until a window of the job has been decoded and it goes on."""
        wait_for(lambda: "segment" in self.told(request))

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(DEADLINE)
        with suppress(RedisError):  # a test may have ended it
            self.redis.flushall()
        self.redis.close()
