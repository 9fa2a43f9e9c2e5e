"""The running service, called as a client calls it, and its processes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

ENDED = ("finished", "failed", "canceled")


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript. words: each with its start in seconds. seconds: how long the work itself took."""

    text: str
    words: tuple[tuple[str, float], ...]
    seconds: float


class ServiceError(RuntimeError):
    """The service did not do what was asked of it."""


class ServiceClient:
    def __init__(self, url: str, model: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(700.0, connect=5.0))
        self._model = model

    def close(self) -> None:
        self._http.close()

    def check_ready(self) -> None:
        """Raises ServiceError with the service's own reason."""
        try:
            answer = self._http.get("/health/ready")
        except httpx.TransportError as error:
            raise ServiceError(f"{self._http.base_url} does not answer ({error}). Start the service first.") from error
        if answer.status_code != 200:
            raise ServiceError(f"The service is not ready: {answer.text}")

    def transcribe(self, path: Path) -> Heard:
        """The sync route, json; the time is from the first byte sent to the last one received."""
        begun = time.perf_counter()
        answer = self._post("/v1/audio/transcriptions", path)
        return Heard(answer["text"], (), time.perf_counter() - begun)

    def submit(self, path: Path) -> str:
        return str(self._post("/v1/jobs", path)["id"])

    def job(self, job_id: str, wait: float = 0) -> dict[str, Any]:
        return self._answer(self._http.get(f"/v1/jobs/{job_id}", params={"wait": wait}))

    def ended(self, job_id: str) -> dict[str, Any]:
        while (job := self.job(job_id, wait=30))["status"] not in ENDED:
            pass
        if job["status"] != "finished":
            raise ServiceError(f"The job {job_id} is {job['status']}: {job['error']}")
        return job

    def transcript(self, job_id: str) -> Heard:
        """A finished job's words; the time is that between its start and its end, as the job has it."""
        wanted = {"format": "verbose_json", "timestamp_granularities": "word"}
        rows = self._answer(self._http.get(f"/v1/jobs/{job_id}/transcript", params=wanted))
        job = self.job(job_id)
        words = tuple((row["word"], float(row["start"])) for row in rows["words"])
        return Heard(rows["text"], words, job["total_seconds"] / job["speed"])

    def delete(self, job_id: str) -> None:
        """Cancels the job first, where it has not ended."""
        self._answer(self._http.delete(f"/v1/jobs/{job_id}"))

    def _post(self, route: str, path: Path) -> dict[str, Any]:
        with open(path, "rb") as recording:
            return self._answer(self._http.post(route, data={"model": self._model}, files={"file": recording}))

    def _answer(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.is_error:
            raise ServiceError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
        return dict(answer.json())


def service_processes(url: str, api_pid: int | None = None, worker_pid: int | None = None) -> dict[str, int]:
    """Process ids of the API that listens at the URL and of the worker that belongs to it.

    Raises ServiceError where they cannot be told, as for a service in a container.
    """
    api = psutil.Process(api_pid or _listener(urlsplit(url).port or 80))
    return {"api": api.pid, "worker": worker_pid or _worker(api)}


def _listener(port: int) -> int:
    for process in psutil.process_iter():
        try:
            if any(row.status == psutil.CONN_LISTEN and row.laddr.port == port for row in process.net_connections()):
                return process.pid
        except psutil.Error:
            continue
    raise ServiceError(f"No process of yours listens on port {port}; give --api-pid and --worker-pid.")


def _worker(api: psutil.Process) -> int:
    """The `python -m worker` among the API's relatives: they have the supervisor above them in common."""
    for above in [api, *api.parents()]:
        for process in above.children(recursive=True):
            if " -m worker" in " ".join(process.cmdline()):
                return process.pid
    raise ServiceError(f"No worker process was found beside the API (pid {api.pid}); give --worker-pid.")
