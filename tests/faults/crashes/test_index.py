"""The index of the jobs is lost or damaged under a service that runs: lists stay complete, and it is made anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.live import LiveService, until


def listed(service: LiveService, **query: str) -> list[str]:
    response = service.get("/v1/jobs", limit=100, **query)
    assert response.status_code == 200, response.text
    return [job["id"] for job in response.json()["data"]]


def index_files(service: LiveService, kind: str = "jobs") -> list[Path]:
    return sorted((service.data / "index").glob(f"{kind}-*.sqlite"))


def search_files(service: LiveService) -> list[Path]:
    return index_files(service, "words") + index_files(service, "texts")  # by what this machine's SQLite can


@pytest.mark.fault(100)
@pytest.mark.fault(101)
@pytest.mark.fault(104)
def test_lists_stay_complete_whatever_becomes_of_the_index(
    start_service: Callable[..., LiveService], clip: Path
) -> None:
    """Takes over 10 s: two starts, and each time the index is made anew only a while after it was made."""
    service = start_service("index", WHISPER_ENGINE="fake", WHISPER_TIME_SCALE="0.1")
    jobs = [service.submit(clip) for _ in range(4)]
    for job_id in jobs:
        assert service.ended(job_id)["status"] == "finished"
    (first,) = until(lambda: index_files(service), "the index is made")

    shutil.rmtree(service.data / "index")
    jobs.append(service.submit(clip))
    service.ended(jobs[-1])
    assert listed(service, status="finished") == jobs[::-1]
    (second,) = until(lambda: index_files(service), "the index is made anew")
    assert second != first
    assert listed(service, q=clip.stem) == jobs[::-1]
    (searched,) = until(lambda: search_files(service), "what is searched is made anew")

    for damaged in (second, searched):
        with open(damaged, "r+b") as file:
            file.write(b"garbage" * 5000)
    jobs.append(service.submit(clip))
    service.ended(jobs[-1])
    assert listed(service, status="finished") == jobs[::-1]
    assert listed(service, status="failed") == []
    assert listed(service, q=clip.stem) == jobs[::-1]
    until(lambda: index_files(service) not in ([], [second]), "the damaged index is replaced")
    until(lambda: search_files(service) not in ([], [searched]), "and so is what is searched")
    assert listed(service, q=clip.stem) == jobs[::-1]

    service.stop()
    outcome = service.data / "jobs" / jobs[0] / "outcome.json"
    failed = json.loads(outcome.read_bytes()) | {"state": "failed", "error": {"code": "x", "message": "By hand."}}
    outcome.unlink()
    outcome.write_text(json.dumps(failed))
    service.start()
    assert listed(service, status="failed") == [jobs[0]], "what was changed while it was down is found at once"
    assert listed(service, status="finished") == jobs[:0:-1]
