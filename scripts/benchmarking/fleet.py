"""Measures a fleet: an API and some workers with an engine that answers at once, on one Redis and one SeaweedFS.

    python -m scripts.benchmarking.fleet --jobs 10000 --workers 3

Everything runs on this machine, so what is measured is what the service, Redis and the store cost a job. With
--passes 0.5 each pass of the engine takes so many seconds and no processor: so many workers should then do so many
times what one does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis import Redis

from scripts.benchmarking.timed import percentile
from tests import speech
from tests.integration.running_worker import redis_server
from tests.seaweedfs import SeaweedFS, free_port, running
from worker.queue.job_queue import JobQueue
from worker.runtime.timing import Timing

TIMING = Timing()  # as the service that is started has it
PATIENCE = 120.0  # seconds until all are ready
LISTS = {
    "newest 20": "",
    "failed": "status=failed",
    "queued": "status=queued",
    "100 of the canceled": "status=canceled&limit=100",
}


@dataclass
class Fleet:
    """Its processes by name, and what they share."""

    store: SeaweedFS | None
    redis: Redis
    url: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def memory(self) -> dict[str, float]:
        """PSS in MB, or RSS where that is not told."""
        found = {}
        for name, process in self.processes.items():
            told = psutil.Process(process.pid).memory_full_info()
            found[name] = (getattr(told, "pss", 0) or told.rss) / 1e6
        return found

    def processor(self) -> dict[str, float]:
        """Seconds of a core so far."""
        found = {}
        for name, process in self.processes.items():
            used = psutil.Process(process.pid).cpu_times()
            found[name] = used.user + used.system
        return found

    def calls(self) -> tuple[int, int]:
        """Of Redis and of the store so far."""
        told: Any = self.redis.info("commandstats")
        return sum(each["calls"] for each in told.values()), self.store.requests() if self.store else 0

    def redis_bytes(self) -> float:
        told: Any = self.redis.info("memory")
        return float(told["used_memory"])


@contextmanager
def fleet(workers: int, passes: str, *, is_shared: bool) -> Iterator[Fleet]:
    """Ready to take jobs."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-")))
        server = stack.enter_context(redis_server())
        store = stack.enter_context(running(directory / "store")) if is_shared else None
        found = Fleet(store, stack.enter_context(Redis.from_url(server.url)))
        settings = {
            "WHISPER_REDIS_URL": server.url, "WHISPER_ENGINE": "fake", "WHISPER_MODEL": passes, "WHISPER_LANES": "1",
            "WHISPER_MAX_BATCH": "1", "WHISPER_MAX_QUEUED_JOBS": "1000000", "WHISPER_MAX_QUEUED_HOURS": "100000",
        }  # fmt: skip
        if store:
            settings |= {**store.environment(), "WHISPER_STORE": store.new_place()}
        port = free_port()
        found.url = f"http://127.0.0.1:{port}"
        own = {"api": {"NATIVE_WHISPER_PORT": str(port)}}
        own |= {f"worker {number + 1}": {"WHISPER_DEVICE": f"cpu:{number}"} for number in range(workers)}
        for name, more in own.items():
            data = directory / ("data" if store is None else name.replace(" ", "-"))
            stack.callback(_stop, found.processes, name)
            found.processes[name] = _start(
                name.split(" ")[0], {**settings, **more, "WHISPER_DATA_DIR": str(data)}, directory
            )
        found.processes["Redis"] = server.process
        if store:
            found.processes["SeaweedFS"] = store.process
        _wait(found, workers)
        yield found


def _start(module: str, settings: dict[str, str], directory: Path) -> subprocess.Popen[bytes]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("WHISPER_", "AWS_"))}
    with open(directory / "log", "ab") as log:
        return subprocess.Popen([sys.executable, "-m", module], env={**env, **settings}, stdout=log, stderr=log)


def _stop(processes: dict[str, subprocess.Popen[bytes]], name: str) -> None:
    process = processes.pop(name)
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(found: Fleet, workers: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            taking = httpx.get(f"{found.url}/v1/workers", timeout=10).json()["data"]
        except (httpx.HTTPError, ValueError, KeyError):
            taking = []
        if sum(each["status"] == "ready" for each in taking) == workers:
            return
        time.sleep(0.2)
    raise SystemExit(f"the fleet was not ready within {PATIENCE:.0f} s")


def measure(found: Fleet, most: int, callers: int, minutes: float, audio: Path) -> dict[str, str]:
    """Jobs that so many callers submit, each the next once the last was accepted; all in so many minutes at most."""
    content, before, used = audio.read_bytes(), found.calls(), found.processor()
    with httpx.Client(base_url=found.url, timeout=60, limits=httpx.Limits(max_connections=callers)) as client:

        def submit(number: int) -> float | None:
            began = time.perf_counter()
            if began > last:
                return None
            answer = client.post("/v1/jobs", files={"file": ("clip.wav", content)})
            answer.raise_for_status()
            return time.perf_counter() - began

        began = time.perf_counter()
        last = began + 60 * minutes
        with ThreadPoolExecutor(callers) as pool:
            submitted = [seconds for seconds in pool.map(submit, range(most)) if seconds is not None]
        jobs = len(submitted)
        accepted = time.perf_counter() - began
        queue = JobQueue(found.redis, timing=TIMING)
        while (left := queue.live_ids()) and time.perf_counter() < last:
            time.sleep(0.2)
        jobs -= len(left)
        ended = time.perf_counter() - began
        redis, store = (after - earlier for after, earlier in zip(found.calls(), before, strict=True))
        cores = {name: seconds - used[name] for name, seconds in found.processor().items()}
        lists = {name: _list(client, found, query) for name, query in LISTS.items()}
    return {
        "jobs": f"{jobs} of {len(submitted)}",
        "accepted": f"{len(submitted) / accepted:.0f} jobs a second by {callers} callers, {_spread(submitted)}",
        "ended": f"{jobs / ended:.1f} jobs a second, submitting included",
        "calls of Redis a job": f"{redis / jobs:.0f}",
        "requests of the store a job": f"{store / jobs:.1f}",
        "Redis' memory a job": f"{found.redis_bytes() / jobs / 1000:.1f} kB",
        "processor time a job": ", ".join(f"{name} {1000 * seconds / jobs:.1f} ms" for name, seconds in cores.items()),
        "memory": ", ".join(f"{name} {mb:.0f} MB" for name, mb in found.memory().items()),
        **{f"list: {name}": value for name, value in lists.items()},
    }


def measure_clips(found: Fleet, clips: int, callers: int, audio: Path) -> dict[str, str]:
    """Clips that callers wait for, each the next once it has its text."""
    content = audio.read_bytes()
    with httpx.Client(base_url=found.url, timeout=120, limits=httpx.Limits(max_connections=callers)) as client:

        def ask(number: int) -> float:
            began = time.perf_counter()
            data = {"model": "whisper-1", "prompt": str(number)}  # or repeats would share an answer
            client.post("/v1/audio/transcriptions", files={"file": ("a.wav", content)}, data=data).raise_for_status()
            return time.perf_counter() - began

        began = time.perf_counter()
        with ThreadPoolExecutor(callers) as pool:
            seconds = list(pool.map(ask, range(clips)))
        taken = time.perf_counter() - began
    return {"clips": f"{clips / taken:.1f} a second for {callers} callers, {_spread(seconds)}"}


def _spread(seconds: list[float]) -> str:
    return f"p50 {1000 * statistics.median(seconds):.0f} ms, p95 {1000 * percentile(seconds, 0.95):.0f} ms"


def _list(client: httpx.Client, found: Fleet, query: str) -> str:
    """The first time and the second."""
    said = []
    for _ in range(2):
        before, began = found.calls()[1], time.perf_counter()
        client.get(f"/v1/jobs?{query}").raise_for_status()
        seconds = time.perf_counter() - began
        said.append(f"{1000 * seconds:.0f} ms, {found.calls()[1] - before} requests")
    return "; again ".join(said)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmarking.fleet", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--clips", type=int, default=500, help="that callers wait for (%(default)s)")
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=60.0, help="that it may take (%(default)g)")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--passes", default="0", help="seconds of a pass of the engine (%(default)s)")
    parser.add_argument("--local", action="store_true", help="with a data directory in place of the shared store")
    options = parser.parse_args()
    audio = speech.recording_file(0.2)
    print(f"Load before: {psutil.getloadavg()[0]:.1f}", flush=True)
    with fleet(options.workers, options.passes, is_shared=not options.local) as found:
        measure_clips(found, options.callers, options.callers, audio)  # warm
        rows = measure_clips(found, options.clips, options.callers, audio) if options.clips else {}
        rows |= measure(found, options.jobs, options.callers, options.minutes, audio) if options.jobs else {}
    print("\n".join(f"{name}: {value}" for name, value in rows.items()))
    print(f"Load after: {psutil.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
