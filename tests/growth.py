"""Measures what many jobs cost: lists, a pass of maintenance, a restart, memory, and a takeover among them.

    python -m tests.growth 1000 30000 100000

The jobs are written straight into the store: copies of one that a real service ran, ended over the last five days. The
service has an engine without a model. Exit code 1 if a list or a takeover took longer than is promised.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from redis import Redis

from scripts.benchmarking.memory import Watch
from tests import media, speech
from tests.acceptance.live import LiveService, until
from tests.faults.processes import process
from tests.integration.running_worker import redis_server
from tests.takeover import _kill_worker, _second_worker, _silence_both, _start_again
from worker.maintenance.maintenance import Maintenance
from worker.queue.events import Events
from worker.queue.job_queue import JobQueue
from worker.store.job_store import LocalStore

SETTINGS = {
    "WHISPER_ENGINE": "fake",
    "WHISPER_MODEL": "0.5",  # seconds for each pass
    "WHISPER_LANES": "1",
    "WHISPER_MAX_BATCH": "1",
}
DAYS = 5 * 24 * 3600.0
ROUNDS = 20
PATIENCE = 5.0  # seconds for the rounds of one query
LINKS = 30_000  # to one file; file systems allow 65 000
PROMISED_LIST = 0.05  # seconds, the median
PROMISED = {"killed": 5.0, "silent": 45.0}  # seconds
QUERIES = {
    "list": "/v1/jobs",
    "list, 100 of them": "/v1/jobs?limit=100",
    "list, from the middle": "/v1/jobs?after={middle}",
    "status=failed": "/v1/jobs?status=failed",
    "status=failed, 100 of them": "/v1/jobs?status=failed&limit=100",
    "status=queued": "/v1/jobs?status=queued",
    "status=started": "/v1/jobs?status=started",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.growth", description=__doc__.partition("\n")[0])
    parser.add_argument("jobs", type=int, nargs="+")
    parser.add_argument("--takeover", action="store_true", help="kill and silence workers, too: two minutes")
    parser.add_argument("--directory", type=Path, help="keep the stores there, and use those that are there")
    options = parser.parse_args()
    figures: dict[int, dict[str, str]] = {}
    for number in options.jobs:
        figures[number] = {}
        with _directory(options.directory, number) as directory:
            for name, value in _measured(directory, number, takeover=options.takeover):
                print(f"{number}: {name}: {value}", file=sys.stderr, flush=True)
                figures[number][name] = value
    names = list(dict.fromkeys(name for one in figures.values() for name in one))
    print("| | " + " | ".join(f"{number:,} jobs".replace(",", " ") for number in figures) + " |")
    print("|---" + "|---:" * len(figures) + "|")
    for name in names:
        print(f"| {name} | " + " | ".join(one.get(name, "-") for one in figures.values()) + " |")
    return 0 if all("!" not in value for one in figures.values() for value in one.values()) else 1


@contextlib.contextmanager
def _directory(kept: Path | None, number: int) -> Iterator[Path]:
    if kept is not None:
        yield kept / str(number)
        return
    with tempfile.TemporaryDirectory(prefix="growth-") as directory:
        yield Path(directory)


def _measured(directory: Path, number: int, *, takeover: bool) -> Iterator[tuple[str, str]]:
    with redis_server() as redis:
        service = LiveService(directory, {**SETTINGS, "WHISPER_REDIS_URL": redis.url})
        if not service.data.exists():
            with _running(service) as _:
                template = service.submit(speech.recording_file(0.2))
                until(lambda: service.job(template)["status"] == "finished", "the pattern of all jobs is there")
            fill(service.data / "jobs", template, number)
        shutil.rmtree(service.data / "index", ignore_errors=True)
        ids = list(LocalStore(service.data).ids())
        middle = ids[len(ids) // 2]
        with _running(service) as seconds:
            yield "first start", f"{seconds:.1f} s"
            yield from _lists("at once, ", service, middle, 1)
            yield "first start: index made after", _until_indexed(service)
            _pass(service, redis.url)
            yield "a pass of maintenance", f"{_pass(service, redis.url):.2f} s"
            yield from _lists("", service, middle, ROUNDS)
        with _running(service) as seconds:
            yield "restart", f"{seconds:.1f} s"
            yield from _lists("at once after a restart, ", service, middle, 1)
            yield "restart: index compared after", _until_indexed(service)
            yield "search: made after", _until_indexed(service, "search")
            yield from _idle(service)
            if takeover:
                yield from _takeovers(service)


@contextlib.contextmanager
def _running(service: LiveService) -> Iterator[float]:
    """Gives the seconds until it was ready."""
    began = time.perf_counter()
    service.start()
    try:
        yield time.perf_counter() - began
    finally:
        service.stop()


def fill(jobs: Path, template: str, number: int) -> None:
    """Makes copies of an ended job: 95 % finished, 2 % failed, 3 % canceled, one in ten another's."""
    request = json.loads((jobs / template / "job.json").read_bytes())
    outcome = json.loads((jobs / template / "outcome.json").read_bytes())
    now = time.time()
    shared = {name: jobs / template / name for name in ("source", "transcript.json")}
    for at in range(number):
        created = now - DAYS * (1 - at / number) - 600
        job_id = f"job_{int(created * 1000):012x}{secrets.token_hex(8)}"
        target = jobs / job_id
        target.mkdir(mode=0o700)
        owner = "another" if at % 10 == 5 else request["owner"]
        row = request | {"id": job_id, "owner": owner, "created_at": created}
        (target / "job.json").write_text(json.dumps(row))
        end = outcome | {"state": _state(at), "started_at": created + 1, "ended_at": created + 5}
        if end["state"] == "failed":
            end |= {"error": {"code": "no_audio_stream", "message": "It has no audio."}}
        (target / "outcome.json").write_text(json.dumps(end))
        for name, path in shared.items():
            if at % LINKS == 0:
                path = shared[name] = path.with_name(f"{name}.{at}")
                path.write_bytes((jobs / template / name).read_bytes())
            os.link(path, target / name)


def _state(at: int) -> str:
    return "failed" if at % 50 == 0 else "canceled" if at % 33 == 0 else "finished"


def _lists(prefix: str, service: LiveService, middle: str, rounds: int) -> Iterator[tuple[str, str]]:
    with service.http() as client:
        client.get("/health")
        for name, query in QUERIES.items():
            if prefix and name not in ("list", "status=failed"):
                continue
            seconds: list[float] = []
            while len(seconds) < rounds and sum(seconds) < PATIENCE:
                began = time.perf_counter()
                response = client.get(query.format(middle=middle))
                seconds.append(time.perf_counter() - began)
                assert response.status_code == 200, response.text
            median = statistics.median(seconds)
            mark = " !" if not prefix and median > PROMISED_LIST else ""
            yield prefix + name, f"{1000 * median:.0f} ms{mark}"


def _until_indexed(service: LiveService, kind: str = "index") -> str:
    """Seconds until the index of that kind can be relied on."""
    store: Any = LocalStore(service.data)
    if not hasattr(store, kind):  # an earlier version
        return "-"
    began = time.monotonic()

    def is_verified() -> bool:
        with contextlib.suppress(Exception):  # there is none yet
            return bool(getattr(store, kind).verified_from() == "")
        return False

    until(is_verified, "the index is there", 600)
    return f"{time.monotonic() - began:.1f} s"


def _pass(service: LiveService, redis_url: str) -> float:
    """Seconds that a pass takes, as a process makes it at its start."""
    with Redis.from_url(redis_url) as redis:
        maintenance = Maintenance(LocalStore(service.data), JobQueue(redis), Events(redis), redis)
        before: Any = None
        while before is None or maintenance._is_due(time.monotonic()):
            began = time.perf_counter()
            maintenance.run_once()
            before = time.perf_counter() - began
        return float(before)


def _idle(service: LiveService) -> Iterator[tuple[str, str]]:
    """A minute of nothing to do."""
    supervisor = psutil.Process(service.pid)
    with Watch(lambda: supervisor.children(recursive=True)) as watch:
        time.sleep(62)
    yield "idle: share of a core", f"{100 * watch.cores:.1f} %"
    for name in ("api", "worker", "worker.webhooks"):
        yield f"memory of {name}", f"{watch.peaks.get(name, 0):.0f} MB"


def _takeovers(service: LiveService) -> Iterator[tuple[str, str]]:
    talk = media.read(speech.recording_file(1.25))
    recording = media.write(service.directory / "long.flac", np.tile(talk, 24))  # half a minute of passes
    for case, strike in (("killed", _kill_worker), ("silent", _silence_both)):
        with _second_worker(service) if case == "silent" else contextlib.nullcontext() as begin:
            yield f"takeover, the worker is {case}", _takeover(service, recording, strike, begin, PROMISED[case])


def _takeover(
    service: LiveService,
    recording: Path,
    strike: Callable[[LiveService], None],
    begin: Callable[[], None] | None,
    promised: float,
) -> str:
    files = service.data / "jobs" / service.submit(recording)
    until(lambda: (files / "checkpoint.1.jsonl").exists(), "the job has begun")
    if begin:
        begin()
        time.sleep(8)  # the second worker starts, and makes its pass
    assert process(service, "worker").is_running()
    strike(service)
    began = time.monotonic()
    until(lambda: list(files.glob("checkpoint.2.*")), "another attempt begins")
    seconds = time.monotonic() - began
    if begin:
        _start_again(service)
    return f"{seconds:.1f} s" + (" !" if seconds > promised else "")


if __name__ == "__main__":
    sys.exit(main())
