"""Servers under test: this service, and whatever else speaks OpenAI's audio API."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import psutil

from scripts.benchmarking.memory import Watch
from scripts.benchmarking.timed import Heard, Load

ENDED = ("finished", "failed", "canceled")


class TargetError(RuntimeError):
    """A server did not do what was asked of it."""


class Target:
    """A server with OpenAI's transcription route."""

    def __init__(self, name: str, url: str, model: str, key: str | None = None) -> None:
        self.name = name
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Limits(max_connections=None)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=3600.0, limits=limits, trust_env=False)
        self._model = model

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def check(self) -> None:
        """Raises TargetError if nothing answers."""
        try:
            answer = self._http.get("/v1/models")
        except httpx.TransportError as error:
            raise TargetError(f"{self.name}: {self.url} does not answer ({error}). Start it first.") from error
        if answer.status_code in (401, 403):
            raise TargetError(f"{self.name}: {self.url} wants a key: {answer.text}")

    def transcribe(self, path: Path) -> Heard:
        """json; the time is from the first byte sent to the last one received."""
        begun = time.perf_counter()
        answer = self._post("/v1/audio/transcriptions", path)
        return Heard(answer["text"], (), time.perf_counter() - begun)

    def transcribe_all(self, paths: Sequence[Path], concurrency: int) -> Load:
        """Many recordings by so many clients at once."""
        with Watch(self.processes) as watch, ThreadPoolExecutor(concurrency) as clients:
            begun = time.perf_counter()
            heard = tuple(clients.map(self.transcribe, paths))
            seconds = time.perf_counter() - begun
        return Load(heard, seconds, watch.cores, watch.peak)

    def processes(self) -> list[psutil.Process]:
        """The server's process tree, if it runs on this machine and belongs to this user."""
        root = _root(_listener(urlsplit(self.url).port or 80))
        return [root, *root.children(recursive=True)] if root else []

    def _post(self, route: str, path: Path, **fields: str) -> dict[str, Any]:
        with open(path, "rb") as recording:
            form = {"model": self._model, **fields}
            return self._answer(self._http.post(route, data=form, files={"file": (path.name, recording)}))

    def _answer(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.is_error:
            raise TargetError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
        return dict(answer.json())


class Native(Target):
    """This service, with its jobs and streams."""

    def check(self) -> None:
        super().check()
        answer = self._http.get("/health/ready")
        if answer.status_code != 200:
            raise TargetError(f"The service at {self.url} is not ready: {answer.text}")

    def submit(self, path: Path, **fields: str) -> str:
        return str(self._post("/v1/jobs", path, **fields)["id"])

    def text_of(self, job_id: str) -> str:
        return str(self._answer(self._http.get(f"/v1/jobs/{job_id}/transcript", params={"format": "json"}))["text"])

    def can_see(self, job_id: str) -> bool:
        return self._http.get(f"/v1/jobs/{job_id}").status_code != 404

    def job(self, job_id: str, wait: float = 0) -> dict[str, Any]:
        return self._answer(self._http.get(f"/v1/jobs/{job_id}", params={"wait": wait}))

    def run_job(self, path: Path, tell: Callable[[float], object] = lambda share: None) -> Load:
        """A recording as a job, with word times; the job is deleted afterwards."""
        with Watch(self.processes) as watch:
            begun = time.perf_counter()
            job_id = self.submit(path)
            while (job := self.job(job_id, wait=2))["status"] not in ENDED:
                tell(job["progress"])
            seconds = time.perf_counter() - begun
        if job["status"] != "finished":
            raise TargetError(f"The job {job_id} is {job['status']}: {job['error']}")
        wanted = {"format": "verbose_json", "timestamp_granularities": "word"}
        rows = self._answer(self._http.get(f"/v1/jobs/{job_id}/transcript", params=wanted))
        self.delete(job_id)
        words = tuple((row["word"], float(row["start"])) for row in rows["words"])
        return Load((Heard(rows["text"], words, seconds),), seconds, watch.cores, watch.peak, watch.peaks)

    def delete(self, job_id: str) -> None:
        """Cancels the job first, if it has not ended."""
        self._answer(self._http.delete(f"/v1/jobs/{job_id}"))

    def stream(self, path: Path) -> list[float]:
        """Seconds from the upload's end to each piece of text."""
        ended: list[float] = []
        with open(path, "rb") as recording:
            files = {"file": (path.name, _Noting(recording.read(), ended))}
            form = {"model": self._model, "stream": "true"}
            with self._http.stream("POST", "/v1/audio/transcriptions", data=form, files=files) as answer:
                return [time.perf_counter() - ended[0] for line in answer.iter_lines() if _is_delta(line)]


class _Noting(io.BytesIO):
    """A file that notes when it was read to its end."""

    def __init__(self, content: bytes, ended: list[float]) -> None:
        super().__init__(content)
        self._ended = ended

    def read(self, size: int | None = -1) -> bytes:
        part = super().read(size)
        if not part and not self._ended:
            self._ended.append(time.perf_counter())
        return part


def _is_delta(line: str) -> bool:
    return line.startswith("data: {") and json.loads(line[6:]).get("type") == "transcript.text.delta"


def _listener(port: int) -> psutil.Process | None:
    for process in psutil.process_iter():
        try:
            if any(row.status == psutil.CONN_LISTEN and row.laddr.port == port for row in process.net_connections()):
                return process
        except psutil.Error:
            continue
    return None


def _root(listener: psutil.Process | None) -> psutil.Process | None:
    """The supervisor above a listener: the highest relative that is a server of its own, or the listener itself."""
    if listener is None:
        return None
    for above in listener.parents():
        names = [" ".join(child.cmdline()) for child in above.children()]
        if any(" -m worker" in name for name in names):
            return above
    return listener
