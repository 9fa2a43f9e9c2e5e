"""The service in directories with unusual paths, and beside a copy of itself."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.live import LiveService, until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no redis-server for Windows comes with the packages")

NO_TEXT = "\udcff" if sys.platform == "linux" else ""  # a byte that is not of UTF-8, which other systems refuse
UNUSUAL = """my "project" (ü) [a-z]*? 100%#'\n$HOME """ + NO_TEXT + 50 * "long"


@pytest.mark.fault(90)
@pytest.mark.parametrize(
    "name", [pytest.param("my project (ü)", id="space", marks=pytest.mark.slow), pytest.param(UNUSUAL, id="unusual")]
)
def test_a_job_runs_wherever_the_service_lies(name: str, start_service: Callable[..., LiveService], clip: Path) -> None:
    service = start_service(name, WHISPER_ENGINE="fake", WHISPER_TIME_SCALE="0.1")
    assert service.ended(service.submit(clip))["status"] == "finished"
    assert service.transcribe(clip).status_code == 200
    assert "Traceback" not in service.log()
    service.stop()


@pytest.mark.fault(93)
@pytest.mark.slow
def test_a_copy_of_the_data_runs_beside_the_original(
    start_service: Callable[..., LiveService], tmp_path: Path, clip: Path
) -> None:
    """Slow: two services."""
    original = start_service("original", WHISPER_ENGINE="fake", WHISPER_TIME_SCALE="0.1")
    job = original.submit(clip)
    assert original.ended(job)["status"] == "finished"
    shutil.copytree(original.data, tmp_path / "data", ignore=shutil.ignore_patterns("*.sock"))
    copy = LiveService(tmp_path, original.settings)
    copy.start()
    try:
        for service in (original, copy):
            assert service.job(job)["status"] == "finished"
            assert service.ended(service.submit(clip))["status"] == "finished"
            assert service.get("/health/ready").status_code == 200
        assert "redis (pid" not in original.log().partition("Ready")[2], "its Redis was never started again"
    finally:
        copy.stop()


@pytest.mark.fault(91)
@pytest.mark.slow
def test_a_torn_file_of_redis_costs_no_job(start_service: Callable[..., LiveService], clip: Path) -> None:
    """Slow: two starts."""
    service = start_service("torn", WHISPER_ENGINE="fake", WHISPER_MODEL="0", WHISPER_TIME_SCALE="0.1")
    ended = service.submit(clip)
    assert service.ended(ended)["status"] == "finished"
    service.stop()
    (service.data / "jobs" / ended / "outcome.json").unlink()  # as if it still waited
    for path in (service.data / "redis").rglob("*.manifest"):
        path.write_bytes(bytes(100))
    service.start()
    assert service.ended(ended)["status"] == "finished"
    until(lambda: "is set aside" in service.log(), "the log says so", timeout=5)
