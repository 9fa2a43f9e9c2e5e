"""What must hold after everything: nothing lost, nothing twice, nothing changed, nothing left over."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from tests.acceptance.live import LiveService, until
from tests.soak.load import TRANSCRIPT, Load, Recording, essence, has_ended
from tests.soak.plan import Call

END = 300.0  # seconds all jobs may take once nothing is broken any more
OF_A_JOB = {"job.json", "source", "peaks.json", "transcript.json", "outcome.json", "answered", "deliveries.jsonl"}
# What a running service has in Redis whether or not there are jobs.
OF_THE_SERVICE = (
    "rq:worker",
    "rq:queues",
    "rq:clean_registries",
    "whisper:worker",
    "whisper:vitals:",
    "whisper:protocol:",
    "whisper:metrics",
    "whisper:feed",
    "whisper:known",
    "whisper:store:",
    "whisper:insertions",
    "whisper:database",
    "whisper:maintenance",
    "whisper:webhooks:read",
)


class Outcomes:
    """Watches every job's `outcome.json` on disk: once it is there, it stays as it is."""

    def __init__(self, jobs: Path) -> None:
        self.problems: list[str] = []
        self._jobs = jobs
        self._seen: dict[str, bytes] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outcomes")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.5):
            self.look()

    def look(self) -> None:
        for path in self._jobs.glob("*/outcome.json"):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # deleted this moment
                continue
            if self._seen.setdefault(path.parent.name, content) != content:
                self.problems.append(f"{path.parent.name} ended twice: {self._seen[path.parent.name]!r}, {content!r}")


def check_jobs(service: LiveService, load: Load, calls: tuple[Call, ...], recordings: list[Recording]) -> list[str]:
    """Every accepted job is finished, with the words of the undisturbed run."""
    problems = []
    by_number = {call.number: call for call in calls}
    for number, job_id in load.accepted.items():
        job = service.job(job_id)
        if job["status"] != "finished":
            problems.append(f"{job_id} (call {number}) is {job['status']}: {job['error']}")
            continue
        transcript = service.get(f"/v1/jobs/{job_id}/transcript", **TRANSCRIPT).json()
        if essence(transcript) != essence(recordings[by_number[number].recording].transcript):
            problems.append(f"{job_id} (call {number}) has other words: {transcript['text'][:200]}")
    if len(set(load.accepted.values())) != len(load.accepted):
        problems.append("two calls were given the same job")
    return problems


def all_jobs(service: LiveService) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = service.get("/v1/jobs", limit=100, **({"after": found[-1]["id"]} if found else {})).json()
        found += page["data"]
        if not page["has_more"]:
            return found


def wait_for_the_end(service: LiveService) -> list[str]:
    """All jobs, also those whose 202 got lost on its way, end by themselves."""
    deadline = time.monotonic() + END
    while waiting := [job["id"] for job in all_jobs(service) if not has_ended(job)]:
        if time.monotonic() > deadline:
            return [f"{job_id} has not ended after {END:.0f} s" for job_id in waiting]
        time.sleep(1)
    return []


def remove_all(service: LiveService) -> None:
    with service.http() as client:
        for job in all_jobs(service):
            assert client.delete(f"/v1/jobs/{job['id']}").status_code in (200, 404)


def check_files_of_jobs(service: LiveService) -> list[str]:
    """Nothing of an attempt stays in an ended job's directory."""
    names = {path for path in (service.data / "jobs").glob("*/*") if path.name not in OF_A_JOB}
    return [f"left in a job: {path.parent.name}/{path.name}" for path in sorted(names)]


def leftovers(service: LiveService) -> list[str]:
    """Whatever is on disk or in Redis once every job is deleted."""
    files = [f"{place}/{name}" for place in ("incoming", "jobs", "broken") for name in os.listdir(service.data / place)]
    with service.redis() as redis:
        keys = [key.decode() for key in redis.scan_iter(count=1000) if not key.decode().startswith(OF_THE_SERVICE)]
    return [f"left over: {name}" for name in [*files, *keys]]


def nothing_is_left(service: LiveService) -> list[str]:
    try:
        until(lambda: not leftovers(service), "nothing is left over", timeout=30)
    except AssertionError:
        return leftovers(service)
    return []
