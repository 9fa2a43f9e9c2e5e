"""Measures how soon a long job goes on after its worker is gone, and how much of it is decoded again.

Kills the worker at nine tenths of the job: alone; with its supervisor, while a second worker lives; and silences both,
as a machine does that drops off the network. Exit code 1 where a promise did not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests import speech
from tests.acceptance.live import ROOT, LiveService, until
from tests.faults.processes import process, windows
from tests.integration.running_worker import redis_server

HOUR = 3600.0  # seconds; far more than any step takes
PROMISED = {"killed": 5.0, "killed with its supervisor": 45.0, "silent, with its supervisor": 45.0}  # seconds


@dataclass(frozen=True, slots=True)
class Takeover:
    """seconds: until another attempt began; window: until it had decoded one. again: windows decoded twice."""

    case: str
    seconds: float
    window: float
    again: int
    is_same: bool

    def __str__(self) -> str:
        same = "the same transcript" if self.is_same else "ANOTHER TRANSCRIPT"
        taken = f"taken over after {self.seconds:.1f} s (promised {PROMISED[self.case]:.0f}), next window after"
        return f"{self.case}: {taken} {self.window:.1f} s, {self.again} windows decoded again, {same}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.takeover", description=__doc__)
    parser.add_argument("--minutes", type=float, default=45.0)
    recording = speech.recording_file(parser.parse_args().minutes)
    with tempfile.TemporaryDirectory(prefix="takeover-") as directory, redis_server() as redis:
        service = LiveService(Path(directory), {"WHISPER_REDIS_URL": redis.url})
        found = _measured(service, recording)
    for row in found:
        print(row)
    return 0 if all(row.is_same and row.seconds <= PROMISED[row.case] for row in found) else 1


def _measured(service: LiveService, recording: Path) -> list[Takeover]:
    service.start()
    try:
        undisturbed = _transcript(service, service.submit(recording))
        found = [_takeover(service, recording, "killed", _kill_worker, undisturbed)]
        for case, strike in (
            ("killed with its supervisor", _kill_both),
            ("silent, with its supervisor", _silence_both),
        ):
            with _second_worker(service) as begin:
                found.append(_takeover(service, recording, case, strike, undisturbed, begin))
        return found
    finally:
        service.stop()


def _takeover(
    service: LiveService,
    recording: Path,
    case: str,
    strike: Callable[[LiveService], None],
    expected: Any,
    begin: Callable[[], None] | None = None,
) -> Takeover:
    job_id = service.submit(recording)
    files = service.data / "jobs" / job_id
    first = files / "checkpoint.1.jsonl"
    until(lambda: windows(first), "the job has begun", HOUR)
    if begin:
        begin()
    until(lambda: service.job(job_id)["progress"] >= 0.9, "nine tenths are done", HOUR)
    strike(service)
    struck_at = time.monotonic()
    known = set(windows(first))
    until(lambda: list(files.glob("checkpoint.2.*")), "another attempt begins", 120)
    seconds = time.monotonic() - struck_at
    later: set[int] = set()

    def has_ended() -> bool:
        for path in files.glob("checkpoint.[!1].*"):
            with contextlib.suppress(FileNotFoundError):  # renamed, or dropped with the job's end
                later.update(windows(path))
        return (files / "outcome.json").exists()

    until(lambda: has_ended() or later, "a window is decoded", 120)
    window = time.monotonic() - struck_at
    until(has_ended, "the job ends", HOUR)
    if begin:
        _start_again(service)
    return Takeover(case, seconds, window, len(known & later), _transcript(service, job_id) == expected)


def _kill_worker(service: LiveService) -> None:
    process(service, "worker").kill()


def _kill_both(service: LiveService) -> None:
    worker = process(service, "worker")
    service._process.kill()
    worker.kill()


def _silence_both(service: LiveService) -> None:
    supervisor = psutil.Process(service._process.pid)
    for one in (supervisor, *supervisor.children(recursive=True)):
        one.suspend()


def _start_again(service: LiveService) -> None:
    """Ends what is left of a service that was killed or silenced, and starts it anew."""
    if psutil.pid_exists(service._process.pid):
        supervisor = psutil.Process(service._process.pid)
        for one in (*supervisor.children(recursive=True), supervisor):
            one.kill()
    service._process.wait()
    service.stop()
    service.start()


@contextlib.contextmanager
def _second_worker(service: LiveService) -> Iterator[Callable[[], None]]:
    """Another worker on the same store and Redis, once the first one has the job."""
    started: list[subprocess.Popen[bytes]] = []
    env = {name: value for name, value in os.environ.items() if "WHISPER_" not in name}
    env |= {"WHISPER_REDIS_URL": service.running.redis_url, "WHISPER_DATA_DIR": str(service.data)}
    env |= {"PYTHONPATH": str(ROOT), "WHISPER_DEVICE": "cpu"}  # a device by another name: they do not share one

    def begin() -> None:
        with open(service.directory / "second.log", "ab") as log:
            command = [sys.executable, "-m", "worker"]
            started.append(subprocess.Popen(command, cwd=service.directory, env=env, stderr=log))

    yield begin
    for second in started:
        second.kill()
        second.wait()


def _transcript(service: LiveService, job_id: str) -> Any:
    until(lambda: service.job(job_id)["status"] in ("finished", "failed"), "the job ends", HOUR)
    query = {"format": "verbose_json", "timestamp_granularities": ["segment", "word"]}
    response = service.get(f"/v1/jobs/{job_id}/transcript", **query)
    assert response.status_code == 200, response.text
    return response.json()


if __name__ == "__main__":
    if not hasattr(signal, "SIGKILL"):
        sys.exit("Windows has no signals to kill with.")
    sys.exit(main())
