"""A worker that is killed in the middle of a job costs the windows it had in hand, and no more."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.acceptance.live import LiveService, until
from tests.acceptance.test_events import follow, segments


def worker(service: LiveService) -> psutil.Process:
    children = psutil.Process(service._process.pid).children(recursive=True)
    return next(process for process in children if process.cmdline()[1:3] == ["-m", "worker"])


def windows(path: Path) -> list[int]:
    """The numbers of the windows a checkpoint has whole lines of."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:] if path.exists() else []
    return [json.loads(line)["window"][0] for line in lines if line.endswith("\n")]


def transcript(service: LiveService, job_id: str) -> Any:
    query = {"format": "verbose_json", "timestamp_granularities": "word"}
    return service.get(f"/v1/jobs/{job_id}/transcript", **query).json()


def test_a_killed_workers_job_goes_on_where_it_was(start_service: Callable[..., LiveService], long_file: Path) -> None:
    service = start_service(
        "killed", WHISPER_ENGINE="fake", WHISPER_MODEL="0.5", WHISPER_LANES="1", WHISPER_MAX_BATCH="1"
    )
    undisturbed = service.submit(long_file)
    assert service.ended(undisturbed)["status"] == "finished"
    job_id = service.submit(long_file)
    directory = service.data / "jobs" / job_id
    until(lambda: len(windows(directory / "checkpoint.1.jsonl")) >= 4, "four windows are kept")
    os.kill(worker(service).pid, signal.SIGKILL)
    done = windows(directory / "checkpoint.1.jsonl")
    progress = service.job(job_id)["processed_seconds"]
    until(lambda: len(windows(directory / "checkpoint.2.jsonl")) >= 2, "another worker goes on")
    again = windows(directory / "checkpoint.2.jsonl")
    assert again[0] == done[-1] + 1
    assert service.job(job_id)["processed_seconds"] > progress > 0
    assert service.ended(job_id)["status"] == "finished"
    assert transcript(service, job_id) == transcript(service, undisturbed)
    told = segments(list(follow(service, job_id)))
    assert [row["id"] for row in told] == list(range(len(told)))
    assert not list(directory.glob("checkpoint.*"))
